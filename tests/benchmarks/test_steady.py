"""The line through resident memory: exact lines by hand, noise around a level, and what counts as flat."""

from __future__ import annotations

import random

import pytest

from benchmarks.steady import Slope, fitted, flat

LEVEL = 500e6


def noisy(growth: float, rounds: int = 600) -> list[float]:
    rng = random.Random(1)
    return [LEVEL + growth * i + rng.uniform(-1e6, 1e6) for i in range(rounds)]


def test_an_exact_line_has_its_slope_and_no_width():
    found = fitted([10.0 + 3.0 * i for i in range(90)])
    assert (found.slope, found.low, found.high) == pytest.approx((3.0, 3.0, 3.0))
    assert found.warm == pytest.approx(10.0 + 3.0)  # the mean of the first three rounds
    assert found.end == pytest.approx(10.0 + 3.0 * 88)


def test_the_interval_holds_the_true_slope_of_noisy_memory():
    found = fitted(noisy(2000.0))
    assert found.low < 2000.0 < found.high
    assert found.high - found.low < 2000.0


def test_noise_around_a_level_is_flat_and_a_leak_of_a_text_a_round_is_not():
    assert flat(fitted(noisy(0.0)), rounds=10_000, allowed=0.05)
    assert not flat(fitted(noisy(20_000.0)), rounds=10_000, allowed=0.05)


def test_a_step_down_is_flat():
    assert flat(fitted([LEVEL] * 300 + [LEVEL - 5e6] * 300), rounds=10_000, allowed=0.05)


def test_an_uncertain_slope_passes_only_if_the_end_is_near_the_start():
    unsure = Slope(100.0, -900.0, 1100.0, 1e6, 1.02e6)
    assert flat(unsure, rounds=1e6, allowed=0.05)
    assert not flat(Slope(100.0, -900.0, 1100.0, 1e6, 1.2e6), rounds=1e6, allowed=0.05)
