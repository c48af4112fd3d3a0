from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest

from ponder.evaluation.curves.fits import NoFit, SigmoidFit, fit_sigmoid


def curve(
    start: float, asymptote: float, midpoint: float, exponent: float, computes: Iterable[float]
) -> list[tuple[float, float]]:
    return [(c, start + (asymptote - start) / (1 + (midpoint / c) ** exponent)) for c in computes]


@pytest.mark.parametrize(("asymptote", "exponent", "midpoint"), [(0.645, 1.7, 10909.0), (0.605, 1.77, 2818.0)])
def test_noise_free_points_give_their_parameters_back(asymptote, exponent, midpoint):
    fit = fit_sigmoid(curve(0.3, asymptote, midpoint, exponent, np.geomspace(200, 1e6, 16)))
    assert isinstance(fit, SigmoidFit)
    assert fit.start == pytest.approx(0.3, abs=1e-3)
    assert fit.asymptote == pytest.approx(asymptote, abs=1e-3)
    assert fit.exponent == pytest.approx(exponent, rel=1e-2)
    assert fit.midpoint == pytest.approx(midpoint, rel=1e-2)
    assert fit.tail_points == 4
    assert fit.tail_error < 1e-3


def test_half_of_the_gain_is_made_at_the_midpoint():
    fit = SigmoidFit(0.2, 0.8, 1e12, 1.5, 0.0, 3)
    assert fit.at(1e12) == pytest.approx(0.5)
    assert fit.at(0.0) == 0.2
    assert fit.at(1e30) == pytest.approx(0.8)
    assert fit.at(1e11) < fit.at(1e12) < fit.at(1e13)


def test_the_tail_error_is_of_points_the_fit_never_saw():
    points = curve(0.3, 0.7, 1e4, 1.5, np.geomspace(200, 1e6, 16))
    spoiled = [*points[:-4], *((c, y - 0.1) for c, y in points[-4:])]
    whole, other = fit_sigmoid(points), fit_sigmoid(spoiled)
    assert isinstance(whole, SigmoidFit)
    assert isinstance(other, SigmoidFit)
    assert other.asymptote == whole.asymptote
    assert other.tail_error == pytest.approx(0.1, abs=1e-3)


def test_the_tail_error_stands_beside_that_of_no_change():
    points = curve(0.3, 0.7, 1e4, 1.5, np.geomspace(200, 1e6, 16))
    fit = fit_sigmoid(points)
    assert isinstance(fit, SigmoidFit)
    last, tail = points[11][1], [y for _, y in points[12:]]
    assert fit.unchanged_error == pytest.approx(sum(abs(y - last) for y in tail) / 4)
    assert fit.unchanged_error is not None and fit.tail_error < fit.unchanged_error


def test_an_asymptote_that_the_bound_set_is_flagged():
    rising = fit_sigmoid(curve(0.1, 1.0, 1e3, 1.0, np.geomspace(1, 1e4, 12)))
    assert isinstance(rising, SigmoidFit)
    assert rising.is_at_bound
    bent = fit_sigmoid(curve(0.3, 0.7, 1e4, 1.5, np.geomspace(200, 1e6, 16)))
    assert isinstance(bent, SigmoidFit)
    assert not bent.is_at_bound
    assert replace(bent, asymptote=bent.start).is_at_bound


def test_a_point_without_training_pins_the_start():
    fit = fit_sigmoid([(0.0, 0.31), *curve(0.31, 0.66, 3e13, 1.2, np.geomspace(1e12, 1e15, 12))])
    assert isinstance(fit, SigmoidFit)
    assert fit.start == pytest.approx(0.31, abs=1e-3)


@pytest.mark.parametrize("seed", range(4))
def test_no_curve_near_by_fits_the_head_better(seed):
    rng = np.random.default_rng(seed)
    computes = np.geomspace(1, 1e4, 12)
    points = [(c, y + rng.normal(0, 0.03)) for c, y in curve(0.3, 0.65, 60.0, 1.2, computes)]
    fit = fit_sigmoid(points)
    assert isinstance(fit, SigmoidFit)

    def error(some: SigmoidFit) -> float:
        return sum((some.at(c) - y) ** 2 for c, y in points[:9])

    best = error(fit)
    assert best <= error(SigmoidFit(0.3, 0.65, 60.0, 1.2, 0.0, 3))
    for name in ("start", "asymptote", "midpoint", "exponent"):
        for factor in (0.99, 1.01):
            moved = replace(fit, **{name: getattr(fit, name) * factor})
            allowed = 0 <= moved.start <= moved.asymptote <= 1 and 0.1 <= moved.exponent <= 10
            assert not allowed or error(moved) >= best - 1e-9


def test_the_order_of_the_points_does_not_matter():
    points = curve(0.3, 0.6, 1e4, 1.5, np.geomspace(200, 1e6, 12))
    assert fit_sigmoid(points) == fit_sigmoid(points[::-1])


def test_bounds_keep_the_curve_a_curve_of_accuracies():
    rng = np.random.default_rng(0)
    falling = [(c, 0.6 - 0.03 * i + rng.normal(0, 0.01)) for i, c in enumerate(np.geomspace(1, 1e4, 12))]
    fit = fit_sigmoid(falling)
    assert isinstance(fit, SigmoidFit)
    assert 0.0 <= fit.start <= fit.asymptote <= 1.0


@pytest.mark.parametrize(
    ("points", "reason"),
    [
        ([], "0 points"),
        ([(float(c), 0.1 * c) for c in range(1, 7)], "6 points"),
        ([(float(c), 0.5) for c in range(1, 13)], "does not move"),
        ([(float(c), float("nan")) for c in range(1, 13)], "finite"),
    ],
)
def test_there_is_no_fit_without_grounds_and_the_reason_is_said(points, reason):
    fit = fit_sigmoid(points)
    assert isinstance(fit, NoFit)
    assert reason in fit.reason
