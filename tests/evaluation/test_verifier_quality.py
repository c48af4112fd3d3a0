"""Measures of a verifier: numbers by hand, the cases that papers warn of, and intervals that hold them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ponder.evaluation.audit.calibration import at_temperature, expected_calibration_error, fit_temperature
from ponder.evaluation.audit.verifier_quality import (
    Judged,
    affordable,
    best_cut,
    calibration,
    flawed_right,
    halves,
    length_sensitivity,
    outcome_auc,
    over_problems,
    selection,
    step_auc,
    step_f1,
)


def judged(problem="p", outcome=1.0, score=0.5, *, tokens=10, cost=0.0, answer=None, steps=(), truth=None):
    return Judged(problem, outcome, tokens, cost, answer, score, tuple(steps), truth)


def test_first_error_f1_is_the_harmonic_mean_of_both_accuracies():
    items = [
        judged("a", steps=(0.9, 0.1), truth=(True, False)),  # found
        judged("b", steps=(0.1, 0.1), truth=(True, False)),  # one too early
        judged("c", steps=(0.9, 0.9), truth=(True, True)),  # clean and called clean
    ]
    found = step_f1(items)
    assert found is not None and found.y == pytest.approx(2 * 0.5 * 1 / 1.5)
    assert found.low <= found.y <= found.high and found.n == 3


def test_always_fine_and_always_wrong_have_no_f1():
    items = [judged("a", truth=(True, False)), judged("b", truth=(True, True))]
    for score in (0.9, 0.1):
        said = [judged(i.problem, steps=(score, score), truth=i.truth_S) for i in items]
        found = step_f1(said)
        assert found is not None and found.y == 0.0


def test_the_cut_is_chosen_where_it_pays_and_is_a_half_where_nothing_is_known():
    items = [judged("a", steps=(0.3, 0.1), truth=(True, False)), judged("b", steps=(0.3, 0.3), truth=(True, True))]
    cut = best_cut(items)
    found = step_f1(items, cut=cut)
    assert 0.1 < cut <= 0.3 and found is not None and found.y == 1.0
    assert best_cut([judged()]) == 0.5


def test_everything_after_the_first_wrong_step_counts_as_wrong():
    items = [judged(steps=(0.9, 0.2, 0.1), truth=(True, False, True))]
    found = step_auc(items)
    assert found is not None and found.y == 1.0  # 0.1 stands behind a wrong step


def test_outcome_auc_by_hand():
    items = [judged("a", 1.0, 0.9), judged("b", 0.0, 0.8), judged("c", 1.0, 0.7), judged("d", 0.0, 0.1)]
    found = outcome_auc(items)
    assert found is not None and found.y == pytest.approx(0.75)


def test_a_statistic_that_is_undefined_on_the_whole_is_none_and_in_a_resample_is_left_out():
    assert outcome_auc([judged()]) is None
    assert over_problems([], len) is None
    two = outcome_auc([judged("a", 1.0, 0.9), judged("b", 0.0, 0.8)])  # half of the resamples hold one class
    assert two is not None and (two.y, two.low, two.high) == (1.0, 1.0, 1.0)


def test_temperature_of_scores_that_are_twice_too_sure_is_two():
    sure = [0.9, 0.9, 0.9, 0.9]  # log-odds log 9; three of four right is log 3, half of it
    assert fit_temperature(sure, [1, 1, 1, 0]) == pytest.approx(2.0, rel=1e-3)
    assert at_temperature([0.9], 2.0) == pytest.approx([0.75])
    assert expected_calibration_error(at_temperature(sure, 2.0), [1, 1, 1, 0]) == pytest.approx(0.0, abs=1e-9)
    assert fit_temperature([], []) is None


@given(st.lists(st.tuples(st.floats(0, 1), st.sampled_from([0.0, 1.0])), min_size=1, max_size=20))
def test_no_temperature_of_a_grid_beats_the_fitted_one(pairs):
    scores, targets = [s for s, _ in pairs], [y for _, y in pairs]

    def loss(t):
        scaled = [min(max(s, 1e-12), 1 - 1e-12) for s in at_temperature(scores, t)]
        return -sum(y * math.log(s) + (1 - y) * math.log1p(-s) for s, y in zip(scaled, targets, strict=True))

    fitted = fit_temperature(scores, targets)
    assert fitted is not None
    assert all(loss(fitted) <= loss(t) + 1e-6 * (1 + loss(t)) for t in (0.05, 0.1, 0.5, 1.0, 2.0, 10.0, 20.0))


def test_scaling_repairs_an_overconfident_verifier_on_problems_it_was_not_fitted_on():
    items = [judged(f"p{i}", float(i % 4 != 0), 0.98) for i in range(80)]
    found = calibration(items)
    assert found is not None and found.temperature > 2
    assert found.after.y < found.before.y / 2
    assert calibration([judged("only")]) is None


def test_halves_cover_all_problems_and_share_none():
    items = [judged(f"p{i % 7}") for i in range(21)]
    first, second = halves(items, 0)
    assert len(first) + len(second) == 21
    assert not {i.problem for i in first} & {i.problem for i in second}


def test_a_judge_that_costs_as_much_as_a_sample_halves_the_samples():
    assert affordable(16, 100.0, 100.0) == 8
    assert affordable(16, 100.0, 0.0) == 16
    assert affordable(2, 10.0, 1000.0) == 1


def pool(problem, scored):
    """Four samples: two of each answer, only "a" is right."""
    return [judged(problem, float(a == "a"), s, answer=a, cost=10.0) for a, s in zip("aabb", scored, strict=True)]


def test_an_oracle_gains_what_its_price_leaves():
    # A majority of 4 is a coin between the two answers; half the samples and an oracle: 1 - C(2,2)/C(4,2) = 5/6.
    found = selection(pool("p", [0.9, 0.9, 0.1, 0.1]), 4)
    assert found is not None
    assert (found.samples, found.majority) == (2, 0.5)
    assert found.best_of_n == pytest.approx(5 / 6) and found.weighted_vote == pytest.approx(5 / 6)
    assert found.best_of_n_gain.y == pytest.approx(1 / 3)


def test_constant_scores_gain_nothing_when_they_are_free():
    items = [judged("p", float(a == "a"), 0.5, answer=a) for a in "aaabb"]
    found = selection(items, 3)
    assert found is not None and found.weighted_vote_gain.y == pytest.approx(0.0)
    assert selection(items, 6) is None  # a pool smaller than the vote says nothing


def test_right_answers_with_a_wrong_step_are_told_apart_or_not():
    items = [
        judged("a", 1.0, 0.9, truth=(True, True)),
        judged("b", 1.0, 0.8, truth=(False, True)),
        judged("c", 1.0, 0.3, truth=(True, False)),
        judged("d", 0.0, 0.9, truth=(False, False)),
    ]
    found = flawed_right(items)
    assert found is not None and found.share.y == pytest.approx(2 / 3)
    assert found.accepted_flawed is not None and found.accepted_flawed.y == 0.5
    assert found.accepted_clean is not None and found.accepted_clean.y == 1.0
    assert found.auc is not None and found.auc.y == 1.0
    assert flawed_right([judged()]) is None  # no truth


def test_a_verifier_that_likes_short_answers_is_seen_whatever_the_outcome():
    short = [judged("p", float(i % 2), 1 - i / 10, tokens=i + 1) for i in range(8)]
    found = length_sensitivity(short)
    assert found is not None and found.y == pytest.approx(-1.0)
    # Wrong ones are longer and score lower; within an outcome length says nothing.
    lengths = [(1.0, 0.9, 5), (1.0, 0.8, 6), (1.0, 0.9, 7), (0.0, 0.2, 25), (0.0, 0.1, 26), (0.0, 0.2, 27)]
    apart = length_sensitivity([judged("p", y, s, tokens=n) for y, s, n in lengths])
    assert apart is not None and apart.y == pytest.approx(0.0)
    indifferent = length_sensitivity([judged("p", 1.0, 0.5, tokens=i) for i in range(5)])
    assert indifferent is None
