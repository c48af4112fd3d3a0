"""Slopes and envelopes on accuracies made by hand."""

from __future__ import annotations

import pytest

from ponder.evaluation.curves.doubling import doubling, steps
from ponder.evaluation.curves.envelope import envelope
from ponder.evaluation.pools.runs import ProblemRuns, Runs
from ponder.types import Usage


def runs(name: str, budget: float, outcomes: list[float], spent: float | None = None, family: str = "a") -> Runs:
    cost = Usage(kept=budget if spent is None else spent)
    return Runs(name, budget, tuple(ProblemRuns(f"{family}{i}", family, (y,), (cost,)) for i, y in enumerate(outcomes)))


def test_a_straight_line_in_log_tokens_has_its_slope_and_its_range() -> None:
    found = doubling([runs("v", b, [1.0] * k + [0.0] * (8 - k)) for b, k in ((64, 2), (128, 3), (256, 4))])
    assert found is not None
    assert (found.start, found.end, found.budgets) == (64, 256, 3)
    assert found.points.y == pytest.approx(1 / 8)
    assert found.points.low <= 1 / 8 <= found.points.high


def test_least_squares_by_hand_where_points_bend() -> None:
    # x = 0, 1, 2 doublings; y = 0, 1/2, 1/2: slope = ((-1) * 0 + 0 + 1 * 1/2) / 2 = 1/4
    bent = [runs("v", 100 * 2**i, [1.0] * k + [0.0] * (4 - k)) for i, k in enumerate((0, 2, 2))]
    whole = doubling(bent)
    assert whole is not None
    assert whole.points.y == pytest.approx(0.25)
    assert [one.points.y for one in steps(bent)] == pytest.approx([0.5, 0.0])


def test_one_budget_or_equal_costs_have_no_slope() -> None:
    assert doubling([runs("v", 64, [1.0])]) is None
    assert doubling([runs("v", 64, [1.0], spent=9), runs("v", 128, [1.0], spent=9)]) is None
    assert doubling([]) is None


def test_only_problems_of_every_budget_take_part() -> None:
    found = doubling([runs("v", 64, [0.0, 0.0]), runs("v", 128, [1.0])])
    assert found is not None
    assert found.points.n == 1 and found.points.y == pytest.approx(1.0)


def test_the_envelope_does_not_reward_luck() -> None:
    # Two strategies, each right on one half only. Choosing on the half it is shown on would promise 100 %.
    from ponder.evaluation.verifier_gain import halves

    base = runs("x", 100, [0.0] * 8)
    first, _ = halves(base, 0)
    lucky = [1.0 if p.id in first else 0.0 for p in base.problems]
    other = [1.0 - y for y in lucky]
    found = envelope({"one": [runs("one", 100, lucky)], "two": [runs("two", 100, other)]})
    assert found is not None
    assert found.chosen == (("one", "two"),)
    assert found.curve.points[0].y == 0.0


def test_the_envelope_takes_a_better_strategy_at_each_budget() -> None:
    good, bad = [1.0] * 8, [0.0] * 8
    found = envelope(
        {"a": [runs("a", 100, good), runs("a", 200, bad)], "b": [runs("b", 100, bad), runs("b", 200, good)]}
    )
    assert found is not None
    assert list(found.budgets) == [100, 200]
    assert list(found.chosen) == [("a", "a"), ("b", "b")]
    assert [p.y for p in found.curve.points] == [1.0, 1.0]
    assert envelope({"a": [runs("a", 100, [1.0])]}) is None  # one problem has no other half
