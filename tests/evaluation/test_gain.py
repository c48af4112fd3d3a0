from __future__ import annotations

import random
from dataclasses import replace

import pytest

from ponder.evaluation.pools.runs import ProblemRuns, Runs
from ponder.evaluation.verifier_gain import halves, paired_gain, verifier_gain
from ponder.types import PonderError, Usage


def runs(name: str, budget: float, accuracy: dict[str, float], n: int = 60, seed: int = 0) -> Runs:
    """`n` problems a family, each run 4 times with the family's accuracy."""
    rng = random.Random(f"{name}/{budget}/{seed}")
    problems = tuple(
        ProblemRuns(
            f"{family}/{i}", family, tuple(float(rng.random() < p) for _ in range(4)), (Usage(kept=budget),) * 4
        )
        for family, p in accuracy.items()
        for i in range(n)
    )
    return Runs(name, budget, problems)


def test_the_better_strategy_and_budget_are_found_and_the_gain_is_on_the_other_half():
    vote = [runs("vote", b, {"a": 0.4, "b": 0.5}) for b in (100, 200)]
    guided = {
        "best_of_n": [runs("best_of_n", b, {"a": 0.45, "b": 0.5}) for b in (100, 200)],
        "weighted_vote": [
            runs("weighted_vote", 100, {"a": 0.5, "b": 0.5}),
            runs("weighted_vote", 200, {"a": 0.8, "b": 0.8}),
        ],
    }
    gain = verifier_gain(vote, guided)
    assert gain is not None
    assert (gain.strategy, gain.budget, gain.against) == ("weighted_vote", 200, "vote")
    assert (gain.compared, gain.chosen_on, gain.difference.n) == (4, 60, 60)
    assert gain.difference.y == pytest.approx(gain.accuracy.y - gain.vote.y)
    assert gain.difference.low > 0.2
    assert (gain.spent, gain.vote_spent) == (200, 200)


def test_the_best_of_many_equal_strategies_shows_no_gain():
    gains = []
    for seed in range(30):
        vote = [runs("vote", 100, {"a": 0.5}, 40, seed)]
        guided = {f"s{i}": [runs(f"s{i}", 100, {"a": 0.5}, 40, seed)] for i in range(10)}
        gain = verifier_gain(vote, guided, seed=seed)
        assert gain is not None
        gains.append(gain.difference.y)
    # Chosen on the reported half it would be about 0.12; a mean of 30 honest ones has standard error 0.015.
    assert abs(sum(gains) / len(gains)) < 0.05


def test_the_halves_share_no_problem_and_split_every_family():
    some = runs("vote", 100, {"a": 0.5, "b": 0.5}, 31)
    first, second = halves(some, 0)
    assert not first & second
    assert len(first | second) == 62
    assert sum(i.startswith("a") for i in first) == 16
    assert halves(some, 0) == halves(some, 0) != halves(some, 1)


def test_a_vote_that_ran_out_of_samples_is_no_measure():
    vote = [replace(runs("vote", 100, {"a": 0.4}), dry=0.2)]
    assert verifier_gain(vote, {"best_of_n": [runs("best_of_n", 100, {"a": 0.9})]}) is None


def test_nothing_to_compare_gives_none():
    assert verifier_gain([], {}) is None
    assert verifier_gain([runs("vote", 100, {"a": 0.4})], {"b": [runs("b", 200, {"a": 0.9})]}) is None
    assert verifier_gain([runs("vote", 100, {"a": 0.4}, 1)], {"b": [runs("b", 100, {"a": 0.9}, 1)]}) is None


def test_strategies_are_compared_on_the_problems_they_share():
    few = replace(some := runs("beam", 100, {"a": 0.9}), problems=some.problems[:20])
    gain = verifier_gain([runs("vote", 100, {"a": 0.4})], {"beam": [few]})
    assert gain is not None
    assert gain.vote.n == gain.accuracy.n == 10


def test_a_gain_between_different_problems_is_refused():
    with pytest.raises(PonderError, match="same problems"):
        paired_gain(runs("vote", 100, {"a": 0.4}), runs("vote", 100, {"b": 0.4}))
