"""A sigmoid in log compute, fitted to the head of a training curve and judged on its tail.

ScaleRL (2510.13786): R(C) = R0 + (A - R0) / (1 + (Cmid / C)^B). A is the asymptote, B the exponent, and at C = Cmid
half of the gain is made. How well it fits says little, so what is reported is the error on later points it never saw.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt
from scipy.optimize import least_squares
from scipy.special import expit

Floats = npt.NDArray[np.float64]

TAIL_SHARE = 0.25
# Four parameters need a point more than parameters, and a tail of one point could be luck.
FEWEST_HEAD, FEWEST_TAIL = 5, 2
EXPONENTS = (0.1, 10.0)


@dataclass(frozen=True, slots=True)
class SigmoidFit:
    """The fitted curve. `tail_error` is the mean absolute error (in accuracy) on `tail_points` held-out last points."""

    start: float
    asymptote: float
    midpoint: float
    exponent: float
    tail_error: float
    tail_points: int

    def at(self, compute: float) -> float:
        """Accuracy at `compute`, in the unit of the points; at 0 it is the start."""
        if compute <= 0:
            return self.start
        return float(_sigmoid(np.array([self.start, self.asymptote, np.log(self.midpoint), self.exponent]), compute))


@dataclass(frozen=True, slots=True)
class NoFit:
    """Why there is no fit."""

    reason: str


def fit_sigmoid(points: Sequence[tuple[float, float]]) -> SigmoidFit | NoFit:
    """Fit (compute, accuracy) points, accuracies in 0..1; the last quarter by compute is held out.

    Least squares with 0 <= R0 <= A <= 1, B in 0.1..10 and Cmid within a thousandth and a thousand times the computes
    seen, from 18 starts. A point at compute 0 pins R0.
    """
    computes, accuracies = _sorted(points)
    tail = max(FEWEST_TAIL, round(TAIL_SHARE * len(computes)))
    head = len(computes) - tail
    if head < FEWEST_HEAD:
        return NoFit(f"{len(computes)} points; a fit with a held-out tail needs at least {FEWEST_HEAD + FEWEST_TAIL}")
    if computes[0] < 0 or not np.isfinite([computes, accuracies]).all():
        return NoFit("computes must be finite and not negative, accuracies finite")
    if np.ptp(accuracies[:head]) == 0 or computes[head - 1] <= 0:
        return NoFit("the curve does not move before the held-out tail; no midpoint can be told")
    theta = _least_squares(computes[:head], accuracies[:head])
    errors = np.abs(_sigmoid(theta, computes[head:]) - accuracies[head:])
    start, asymptote, log_midpoint, exponent = map(float, theta)
    return SigmoidFit(start, asymptote, float(np.exp(log_midpoint)), exponent, float(errors.mean()), tail)


def _sorted(points: Sequence[tuple[float, float]]) -> tuple[Floats, Floats]:
    array = np.asarray(sorted(points), dtype=float).reshape(-1, 2)
    return array[:, 0], array[:, 1]


def _sigmoid(theta: Floats, computes: Floats | float) -> Floats:
    """`theta` is (R0, A, log Cmid, B). In logarithms nothing overflows, and compute 0 gives R0."""
    start, asymptote, log_midpoint, exponent = theta
    with np.errstate(divide="ignore"):
        share = expit(exponent * (np.log(computes) - log_midpoint))
    return np.asarray(start + (asymptote - start) * share)


def _least_squares(computes: Floats, accuracies: Floats) -> Floats:
    """Best of several starts. A = R0 + (1 - R0) g with g in 0..1 keeps R0 <= A <= 1 under plain box bounds."""

    def unpack(box: Floats) -> Floats:
        start, rise, log_midpoint, exponent = box
        return np.array([start, start + (1 - start) * rise, log_midpoint, exponent])

    logs = np.log(computes[computes > 0])
    margin = np.log(1000.0)
    low = [0.0, 0.0, logs.min() - margin, EXPONENTS[0]]
    high = [1.0, 1.0, logs.max() + margin, EXPONENTS[1]]
    first = float(np.clip(accuracies[0], 0.01, 0.99))
    best_cost, best = np.inf, np.empty(4)
    for rise, where, exponent in product((0.3, 0.8), (0.2, 0.5, 0.9), (0.5, 1.0, 3.0)):
        x0 = [first, rise, float(np.quantile(logs, where)), exponent]
        found = least_squares(
            lambda box: _sigmoid(unpack(box), computes) - accuracies,
            x0,
            bounds=(low, high),
            x_scale=[0.1, 0.1, 1.0, 1.0],
            xtol=1e-12,
            ftol=1e-14,
            gtol=1e-12,
        )
        if found.cost < best_cost:
            best_cost, best = found.cost, found.x
    return unpack(best)
