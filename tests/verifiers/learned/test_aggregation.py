"""Step scores to one score: the numbers of the papers' small examples, and what must hold for all of them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ponder.types import PonderError
from ponder.verifiers.aggregation import AGGREGATIONS, aggregate

scores = st.lists(st.floats(0, 1), min_size=1, max_size=8)


def test_two_steps_by_hand():
    assert aggregate([0.9, 0.8], "product") == pytest.approx(0.72)
    assert aggregate([0.9, 0.8], "min") == 0.8
    assert aggregate([0.9, 0.8], "last") == 0.8
    assert aggregate([0.9, 0.8], "mean") == pytest.approx(0.85)
    # Worst first, weights 1 and 1/2: (0.8 + 0.45) / 1.5.
    assert aggregate([0.9, 0.8], "rank") == pytest.approx(1.25 / 1.5)


@given(scores)
def test_every_way_stays_between_worst_and_best_but_the_product(values):
    for how in AGGREGATIONS:
        found = aggregate(values, how)
        assert 0 <= found <= max(values) + 1e-9
        assert how == "product" or found >= min(values) - 1e-9


@given(scores)
def test_rank_lies_between_min_and_mean_and_ignores_places(values):
    found = aggregate(values, "rank")
    assert min(values) - 1e-9 <= found <= aggregate(values, "mean") + 1e-9
    assert found == aggregate(values[::-1], "rank")


@given(scores.filter(lambda values: min(values) > 1e-6))
def test_the_product_in_logarithms_is_the_product(values):
    assert aggregate(values, "product") == pytest.approx(math.prod(values), rel=1e-9)


@given(scores.filter(lambda values: min(values) > 1e-3), st.floats(0.01, 0.99))
def test_the_product_falls_with_every_step_and_the_minimum_only_with_a_weaker_one(values, more):
    assert aggregate([*values, more], "product") < aggregate(values, "product")
    assert (aggregate([*values, more], "min") < aggregate(values, "min")) == (more < min(values))


@given(st.floats(0.0, 1.0))
def test_one_step_is_its_own_score_in_every_way(value):
    for how in AGGREGATIONS:
        assert aggregate([value], how) == pytest.approx(value, abs=1e-11)


def test_a_long_product_does_not_underflow_to_an_error():
    assert aggregate([0.0] * 100, "product") == 0.0


def test_no_steps_and_no_such_way_are_refused():
    with pytest.raises(ValueError, match="without steps"):
        aggregate([], "last")
    with pytest.raises(PonderError, match="allowed are last, min"):
        aggregate([0.5], "median")  # type: ignore[arg-type]
