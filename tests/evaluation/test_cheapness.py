"""How cheaply a level is reached, on accuracies made by hand."""

from __future__ import annotations

import random

import numpy as np
import pytest

from ponder.evaluation.curves.cheapness import cheapness, reach, rising
from ponder.evaluation.pools.runs import ProblemRuns, Runs
from ponder.types import Usage


def runs(name: str, budget: float, outcomes: list[float], spent: float | None = None, family: str = "a") -> Runs:
    cost = Usage(kept=budget if spent is None else spent)
    return Runs(name, budget, tuple(ProblemRuns(f"{family}{i}", family, (y,), (cost,)) for i, y in enumerate(outcomes)))


def right(share: float, n: int = 100) -> list[float]:
    return [float(i < share * n) for i in range(n)]


def test_a_curve_is_made_to_rise_by_the_mean_of_what_falls() -> None:
    assert rising(np.array([0.2, 0.6, 0.4])).tolist() == pytest.approx([0.2, 0.5, 0.5])
    assert rising(np.array([0.9, 0.6, 0.3])).tolist() == pytest.approx([0.6] * 3)
    assert rising(np.array([0.1, 0.2])).tolist() == [0.1, 0.2]


def test_a_level_is_reached_between_points_on_a_line_over_log_tokens() -> None:
    tokens, accuracy = np.array([100.0, 400.0]), np.array([0.2, 0.6])
    assert reach(tokens, accuracy, 0.4) == pytest.approx(200)
    assert reach(tokens, accuracy, 0.1) == 100
    assert reach(tokens, accuracy, 0.6) == pytest.approx(400)
    assert reach(tokens, accuracy, 0.7) == float("inf")


def test_a_rising_vote_is_charged_for_its_largest_budget() -> None:
    vote = [runs("vote", 100, right(0.1)), runs("vote", 800, right(0.4))]
    found = cheapness([runs("tree", 100, right(0.2)), runs("tree", 400, right(0.6))], vote)
    assert found is not None
    assert found.accuracy == pytest.approx(0.4)
    assert (found.dear, found.problems) == (800, 100)
    assert found.share == pytest.approx(0.25)
    assert found.low is not None and found.high is not None
    assert found.low < 0.25 < found.high


def test_a_vote_that_no_longer_rises_is_charged_for_the_budget_where_it_stopped() -> None:
    vote = [runs("vote", b, right(share)) for b, share in ((100, 0.1), (200, 0.5), (3200, 0.5))]
    found = cheapness([runs("tree", 100, right(0.2)), runs("tree", 200, right(0.5))], vote)
    assert found is not None
    assert found.dear == 200
    assert found.share == pytest.approx(1.0)  # at 3200 it would have been a sixteenth


def test_a_noisy_first_crossing_is_not_believed() -> None:
    """At 100 the strategy happens to be right more often than at 200 and 400, so 100 tokens are no price."""
    vote = [runs("vote", 800, right(0.45))]
    tree = [runs("tree", b, right(share)) for b, share in ((100, 0.5), (200, 0.3), (400, 0.3), (800, 0.6))]
    found = cheapness(tree, vote)
    assert found is not None
    assert found.cheap is not None
    assert 400 < found.cheap < 800


def test_what_is_never_reached_has_no_ratio_and_what_is_hardly_reached_no_upper_end() -> None:
    vote = [runs("vote", 100, right(0.5))]
    never = cheapness([runs("tree", 50, right(0.1))], vote)
    assert never is not None
    assert (never.cheap, never.share, never.low, never.high) == (None, None, None, None)
    rng = random.Random(0)
    close = [float(rng.random() < 0.5) for _ in range(100)]
    hardly = cheapness([runs("tree", 50, sorted(close, reverse=True))], [runs("vote", 100, close)])
    assert hardly is not None
    assert (hardly.share, hardly.low, hardly.high) == (0.5, 0.5, None)  # equal on the whole, not in every resample


def test_only_problems_that_both_were_run_on_take_part() -> None:
    few = cheapness([runs("tree", 10, right(1.0, 30))], [runs("vote", 20, right(0.5, 60))])
    assert few is not None
    assert few.problems == 30
    assert few.accuracy == pytest.approx(1.0)
    assert cheapness([], [runs("vote", 20, [1.0])]) is None
    assert cheapness([runs("tree", 1, [1.0], family="b")], [runs("vote", 20, [1.0])]) is None
