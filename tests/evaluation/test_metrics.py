"""Closed forms against brute force over all subsets, and the sanity numbers of the literature."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import combinations, permutations, product
from statistics import mean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ponder.evaluation.metrics import (
    accepted_at_n,
    best_of_n,
    majority_at_k,
    pass_at_k,
    verifier_ceiling,
    weighted_vote_at_k,
)
from ponder.types import PonderError


def test_pass_at_k_gives_the_published_numbers():
    assert pass_at_k(10, 3, 1) == pytest.approx(0.3)
    assert pass_at_k(10, 3, 5) == pytest.approx(0.916667, abs=1e-6)
    assert pass_at_k(8, 2, 4) == pytest.approx(0.785714, abs=1e-6)


@pytest.mark.parametrize("n", range(1, 9))
def test_pass_at_k_equals_enumeration(n):
    for correct, k in product(range(n + 1), range(1, n + 1)):
        outcomes = [1] * correct + [0] * (n - correct)
        assert pass_at_k(n, correct, k) == pytest.approx(mean(max(s) for s in combinations(outcomes, k)))


def test_too_few_samples_leave_every_estimate_undefined():
    assert pass_at_k(4, 4, 5) is None
    assert majority_at_k(["a"] * 4, [1.0] * 4, 5) is None
    assert best_of_n([0.5] * 4, [1.0] * 4, 5) is None
    assert weighted_vote_at_k(["a"] * 4, [0.5] * 4, [1.0] * 4, 5) is None


def test_pass_at_k_stays_finite_for_many_samples():
    assert pass_at_k(100_000, 1, 50_000) == pytest.approx(0.5)


def test_impossible_counts_are_refused():
    with pytest.raises(PonderError, match="5 right of 4"):
        pass_at_k(4, 5, 1)
    with pytest.raises(PonderError, match="k is 0"):
        majority_at_k(["a"], [1.0], 0)
    with pytest.raises(PonderError, match="2 and 1"):
        best_of_n([0.1, 0.2], [1.0], 1)


def first_drawn_of_the_tied(order: Sequence[int], answers: list[str | None], outcomes: list[float]) -> float:
    """The vote as a strategy takes it: count, and among the tied the one drawn first wins."""
    given = [answers[i] for i in order if answers[i] is not None]
    if not given:
        return 0.0
    most = max(map(given.count, given))
    winner = next(a for a in given if given.count(a) == most)
    return mean(outcomes[i] for i in order if answers[i] == winner)


@pytest.mark.parametrize("seed", range(6))
def test_majority_equals_the_mean_over_all_orders_of_first_drawn_wins(seed):
    rng = random.Random(seed)
    n = 6
    answers = [rng.choice(["a", "a", "b", "c", None]) for _ in range(n)]
    outcomes = [1.0 if a == "a" else 0.0 for a in answers]
    for k in range(1, n + 1):
        truth = mean(first_drawn_of_the_tied(order, answers, outcomes) for order in permutations(range(n), k))
        assert majority_at_k(answers, outcomes, k) == pytest.approx(truth)


def test_a_tie_does_not_depend_on_input_order():
    assert majority_at_k(["a", "b"], [1.0, 0.0], 2) == majority_at_k(["b", "a"], [0.0, 1.0], 2) == pytest.approx(0.5)


def test_majority_of_a_large_pool_is_fast_and_near_certain():
    answers = ["r"] * 120 + [str(i) for i in range(80)]
    assert majority_at_k(answers, [1.0] * 120 + [0.0] * 80, 64) == pytest.approx(1.0)


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=1, max_size=8))
@settings(max_examples=60, deadline=None)
def test_best_of_n_equals_enumeration_with_shared_ties(pool):
    scores, outcomes = [s / 3 for s, _ in pool], [float(o) for _, o in pool]
    for k in range(1, len(pool) + 1):
        tops = []
        for chosen in combinations(range(len(pool)), k):
            best = max(scores[i] for i in chosen)
            tops.append(mean(outcomes[i] for i in chosen if scores[i] == best))
        # Ties inside a subset, averaged over all subsets, come to random order inside each tie.
        assert best_of_n(scores, outcomes, k) == pytest.approx(mean(tops))


def test_best_of_n_with_an_oracle_score_is_pass_at_n():
    outcomes = [1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0]
    for k in range(1, 8):
        assert best_of_n(outcomes, outcomes, k) == pytest.approx(pass_at_k(7, 2, k))


def test_all_curves_start_at_mean_accuracy():
    answers, scores, outcomes = ["a", "b", "a", "c", "d"], [0.9, 0.1, 0.3, 0.5, 0.7], [1.0, 0.0, 1.0, 0.0, 0.0]
    for value in (
        pass_at_k(5, 2, 1),
        majority_at_k(answers, outcomes, 1),
        best_of_n(scores, outcomes, 1),
        weighted_vote_at_k(answers, scores, outcomes, 1),
    ):
        assert value == pytest.approx(0.4)


def test_a_weighted_vote_with_constant_scores_is_the_majority():
    answers = ["a", "b", "a", "c", None, "b", "a", "d"]
    outcomes = [float(a == "a") for a in answers]
    for k in range(1, 9):
        weighted = weighted_vote_at_k(answers, [0.3] * 8, outcomes, k)
        assert weighted == pytest.approx(majority_at_k(answers, outcomes, k))


def test_a_weighted_vote_follows_the_scores():
    assert weighted_vote_at_k(["a", "b", "b"], [0.9, 0.4, 0.4], [1.0, 0.0, 0.0], 3) == 1.0
    assert weighted_vote_at_k(["a", "b", "b"], [0.7, 0.4, 0.4], [1.0, 0.0, 0.0], 3) == 0.0


def test_sampled_subsets_are_fixed_by_the_seed_and_near_the_truth():
    answers = ["a"] * 12 + ["b"] * 8 + ["c"] * 4
    outcomes = [float(a == "a") for a in answers]
    first = weighted_vote_at_k(answers, [0.5] * 24, outcomes, 9, seed=1)
    assert first == weighted_vote_at_k(answers, [0.5] * 24, outcomes, 9, seed=1)
    assert first == pytest.approx(majority_at_k(answers, outcomes, 9), abs=0.04)  # four standard errors


def test_no_answer_at_all_is_wrong():
    assert majority_at_k([None, None], [0.0, 0.0], 2) == 0.0
    assert weighted_vote_at_k([None, None], [0.5, 0.5], [0.0, 0.0], 2) == 0.0


def test_an_imperfect_verifier_has_the_published_ceiling():
    for quality, limit in ((0.715, 0.698), (0.8, 0.787), (0.9, 0.893), (0.95, 0.946), (0.765, 0.75)):
        assert verifier_ceiling(0.48, quality, 1 - quality) == pytest.approx(limit, abs=6e-4)
    for n, accuracy in ((2, 0.587), (5, 0.684), (10, 0.698), (20, 0.698)):
        assert accepted_at_n(0.48, 0.715, 0.285, n) == pytest.approx(accuracy, abs=6e-4)
    assert verifier_ceiling(0.0, 1.0, 0.0) is None


def test_best_of_n_with_a_yes_or_no_verifier_shows_that_ceiling():
    rng = random.Random(0)
    outcomes = [float(rng.random() < 0.48) for _ in range(20_000)]
    scores = [float(rng.random() < (0.715 if y else 0.285)) for y in outcomes]
    for n in (2, 5):
        assert best_of_n(scores, outcomes, n) == pytest.approx(accepted_at_n(0.48, 0.715, 0.285, n), abs=0.02)
