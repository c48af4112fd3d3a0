"""Training against thinking, worked out by hand: few questions favour thinking, many favour training."""

from __future__ import annotations

from ponder.evaluation.curves.grid import Cell, as_data, contests, frontier
from ponder.evaluation.intervals import Interval


def cell(member: str, train: float | None, strategy: str, think: float, y: float) -> Cell:
    return Cell(member, train, strategy, 1, think, Interval(y, y - 0.05, y + 0.05, 100))


CELLS = [
    cell("base", 0, "sample", 1, 0.3),
    cell("base", 0, "vote", 100, 0.6),
    cell("after", 1000, "sample", 1, 0.6),
    cell("after", 1000, "vote", 100, 0.9),
]


def test_the_frontier_rises_and_drops_what_something_cheaper_matches() -> None:
    assert [(c.member, c.strategy) for c in frontier(CELLS, 1)] == [
        ("base", "sample"),
        ("base", "vote"),
        ("after", "vote"),
    ]
    many = frontier(CELLS, 1000)
    assert [(c.member, c.strategy) for c in many] == [("base", "sample"), ("after", "sample"), ("after", "vote")]
    assert [c.total(1000) for c in many] == [1000, 2000, 101_000]


def test_thinking_wins_with_few_questions_and_training_with_many() -> None:
    few = {one.flops: one.winner for one in contests(CELLS, 1)}
    assert few[100] == "thinking"
    assert few[1001] == "neither"  # by then training has caught up
    many = {one.flops: one.winner for one in contests(CELLS, 1000)}
    assert many[2000] == "training"


def test_what_cannot_be_afforded_is_none_and_nobody_wins() -> None:
    first = contests([cell("base", 50, "vote", 1, 0.5)], 1)[0]
    assert (first.training, first.winner) == (None, "neither")
    assert contests([], 1) == []


def test_a_small_model_that_searches_against_a_large_one_that_does_not() -> None:
    rivals = [cell("small", None, "vote", 8, 0.7), cell("large", None, "sample", 10, 0.6)]
    assert [c.member for c in frontier(rivals, 1000)] == ["small"]
    data = as_data(rivals, (10,))
    assert data["by_questions"][0]["frontier"][0]["total_flops"] == 80
