from __future__ import annotations

import numpy as np
import pytest

from ponder.evaluation.intervals import (
    Interval,
    mean_interval,
    paired_interval,
    ratio_interval,
    stratified_interval,
    wilson,
)
from ponder.types import PonderError


def test_the_interval_agrees_with_the_normal_one_for_many_problems():
    values = [1.0] * 300 + [0.0] * 700
    interval = mean_interval(values)
    half = 1.96 * (0.3 * 0.7 / 1000) ** 0.5
    assert interval is not None
    assert interval.y == pytest.approx(0.3)
    assert interval.low == pytest.approx(0.3 - half, abs=0.004)
    assert interval.high == pytest.approx(0.3 + half, abs=0.004)


def test_the_same_seed_gives_the_same_interval_and_another_seed_another():
    values = np.random.default_rng(0).random(50).tolist()
    assert mean_interval(values, seed=3) == mean_interval(values, seed=3)
    assert mean_interval(values, seed=3) != mean_interval(values, seed=4)


def test_the_interval_covers_the_truth_about_95_times_in_100():
    rng = np.random.default_rng(1)
    hits = 0
    for seed in range(200):
        interval = mean_interval((rng.random(120) < 0.3).astype(float).tolist(), seed=seed, resamples=500)
        assert interval is not None
        hits += interval.low <= 0.3 <= interval.high
    assert 178 <= hits <= 199  # false alarm below 1 in 1000 for a true coverage of 94 to 95 %


def test_problems_and_not_samples_are_resampled():
    spread = [[1.0] * 50, [0.0] * 50]  # a hundred samples, yet only two problems
    interval = mean_interval(spread)
    assert interval == Interval(0.5, 0.0, 1.0, 2)


def test_large_sets_are_resampled_in_blocks_that_cover_all_resamples(monkeypatch):
    import ponder.evaluation.intervals as module

    values = np.random.default_rng(0).random(40).tolist()
    whole = mean_interval(values)
    monkeypatch.setattr(module, "_BLOCK", 120)  # three resamples a block, two in the last
    assert mean_interval(values) == whole


def test_no_problem_gives_no_interval():
    assert mean_interval([]) is None
    assert paired_interval([], []) is None
    assert stratified_interval({}) is None
    assert ratio_interval([], []) is None
    assert wilson(0, 0) is None


def test_equal_values_do_not_pretend_to_be_certain():
    for right in (0, 50):
        interval, truth = mean_interval([right / 50] * 50), wilson(right, 50)
        assert interval is not None
        assert truth is not None
        assert (interval.low, interval.high) == pytest.approx((truth.low, truth.high))
    same = paired_interval([0.4] * 50, [0.4] * 50)
    assert same is not None
    assert (same.y, same.low, same.high) == pytest.approx((0.0, -0.0713, 0.0713), abs=1e-3)


def test_a_single_problem_says_next_to_nothing():
    interval = mean_interval([1.0])
    assert interval is not None
    assert interval.low == pytest.approx(0.2065, abs=1e-3)
    assert interval.n == 1


def test_a_paired_difference_is_tighter_than_its_arms():
    rng = np.random.default_rng(2)
    hardness = rng.random(200)
    before, after = hardness * 0.8, hardness * 0.8 + 0.1 + rng.normal(0, 0.01, 200)
    gain = paired_interval(before.tolist(), after.tolist())
    arm = mean_interval(before.tolist())
    assert gain is not None
    assert arm is not None
    assert gain.y == pytest.approx(0.1, abs=0.005)
    assert gain.high - gain.low < (arm.high - arm.low) / 10


def test_a_paired_difference_of_other_problems_is_refused():
    with pytest.raises(PonderError, match="same problems"):
        paired_interval([1.0], [1.0, 0.0])


def test_the_mean_over_families_weighs_families_alike():
    interval = stratified_interval({"small": [1.0, 0.0], "large": [0.0] * 98})
    assert interval is not None
    assert interval.y == pytest.approx(0.25)
    assert interval.n == 100
    # Resampled within its family, the small one is 0, 0.5 or 1. The large one, where all problems agree, may hide up to
    # z^2 / (98 + z^2) = 3.77 % right ones; half of that adds in squares to the quarter above: 0.5007.
    assert interval.low == 0.0
    assert interval.high == pytest.approx(0.25 + np.hypot(0.25, 0.0377 / 2), abs=1e-4)


def test_a_family_in_which_all_agree_is_not_taken_to_be_certain():
    mixed, rare = [1.0, 0.0] * 150, [1.0] * 20
    both, alone = stratified_interval({"mixed": mixed, "rare": rare}), mean_interval(mixed)
    assert both is not None
    assert alone is not None
    # Below: half of the mixed family's reach, and half of 1 - Wilson's lower end for 20 of 20 (0.8389).
    assert both.y - both.low == pytest.approx(np.hypot((alone.y - alone.low) / 2, (1 - 0.8389) / 2), abs=1e-3)
    assert both.high - both.y == pytest.approx((alone.high - alone.y) / 2, abs=1e-3)  # above 1 there is nothing


def test_the_interval_covers_the_mean_when_all_problems_of_a_small_family_may_agree():
    rng = np.random.default_rng(3)
    hits = 0
    for seed in range(150):
        small, large = ((rng.random(n) < p).astype(float).tolist() for p, n in ((0.95, 15), (0.9, 300)))
        interval = stratified_interval({"small": small, "large": large}, seed=seed, resamples=400)
        assert interval is not None
        hits += interval.low <= 0.925 <= interval.high
    assert hits >= 138  # resampling alone, which takes 15 of 15 to be certain, covers it 64 times in 100


def test_a_family_without_problems_is_refused():
    with pytest.raises(PonderError, match="'cipher'"):
        stratified_interval({"cipher": [], "countdown": [1.0]})


def test_a_problem_without_samples_is_not_a_wrong_one():
    with pytest.raises(PonderError, match="problem 1 has no samples"):
        mean_interval([[1.0], []])


def test_a_pooled_mean_weighs_samples_alike_and_resamples_problems():
    interval = ratio_interval([9.0, 0.0, 0.0], [9.0, 1.0, 0.0])
    assert interval is not None
    assert interval.y == pytest.approx(0.9)
    assert interval.n == 2
    assert (interval.low, interval.high) == (0.0, 1.0)


def test_wilson_gives_textbook_numbers():
    interval = wilson(8, 10)
    assert interval is not None
    assert (interval.low, interval.high) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    with pytest.raises(PonderError, match="11 successes"):
        wilson(11, 10)
