"""The account: exact sums, no overdraft, and errors that say what to do."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ponder.search.session.budget import Budget, Overspent, affordable, largest
from ponder.types import PonderError


def test_usage_adds_up_by_hand() -> None:
    budget = Budget(100)
    budget.charge_generated(30)
    budget.charge_generated(20)
    budget.charge_verifier(12.5)
    usage = budget.usage(kept=20)
    assert (usage.kept, usage.discarded, usage.verifier, usage.calls) == (20, 30, 12.5, 3)
    assert usage.spent == budget.spent == 62.5
    assert budget.remaining == 37.5


def test_a_charge_beyond_the_limit_raises_and_changes_nothing() -> None:
    budget = Budget(10)
    budget.charge_generated(8)
    with pytest.raises(Overspent, match="11 generated"):
        budget.charge_generated(3)
    with pytest.raises(Overspent):
        budget.charge_verifier(2.001)
    assert budget.spent == 8


@pytest.mark.parametrize("charge", [-1.0, float("nan")])
def test_a_charge_is_a_number_that_is_not_negative(charge: float) -> None:
    with pytest.raises(Overspent):
        Budget(10).charge_verifier(charge)


@pytest.mark.parametrize("limit", [0, -5, float("inf"), float("nan")])
def test_a_budget_is_positive_and_finite(limit: float) -> None:
    with pytest.raises(PonderError, match="positive number"):
        Budget(limit)


def test_more_tokens_cannot_be_kept_than_were_generated() -> None:
    budget = Budget(10)
    budget.charge_generated(4)
    with pytest.raises(ValueError, match="5 tokens kept of 4"):
        budget.usage(5)


def test_what_is_affordable_is_rounded_down() -> None:
    assert [affordable(r, 3.0) for r in (-1.0, 0.0, 2.9, 3.0, 8.9, 9.0)] == [0, 0, 0, 1, 2, 3]


@settings(deadline=None)
@given(st.floats(0.1, 3.0), st.integers(0, 40), st.integers(1, 40), st.integers(0, 60))
def test_sums_are_exact_when_fractions_fill_the_limit_to_the_brim(
    ratio: float, extra: int, count: int, generated: int
) -> None:
    budget = Budget(generated + ratio * count + extra * 0.1)
    budget.charge_generated(generated)
    for _ in range(count):
        budget.charge_verifier(ratio)
    usage = budget.usage(generated)
    assert usage.kept + usage.discarded + usage.verifier == usage.spent <= budget.limit
    assert usage.verifier == pytest.approx(ratio * count)


@pytest.mark.parametrize(("low", "high", "most"), [(0, 10, 7), (0, 3, 3), (-1, 5, -1), (0, 0, 0), (-1, 9, 0)])
def test_the_largest_number_that_fits_is_found_and_each_is_asked_seldom(low, high, most):
    asked = []

    def fits(number):
        asked.append(number)
        return number <= most

    assert largest(low, high, fits) == most
    assert len(asked) <= 4 and all(low < number <= high for number in asked)
