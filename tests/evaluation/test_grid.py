"""Training against thinking, worked out by hand: few questions favour thinking, many favour training."""

from __future__ import annotations

import random

import pytest

from ponder.evaluation.curves.grid import Cell, Crossed, as_data


def cell(member: str, train: float | None, strategy: str, think: float, y: float, verifier: float = 0.0) -> Cell:
    """Right on every one of 100 problems with accuracy `y`."""
    return Cell(member, train, strategy, 1, think, {str(i): ("f", y) for i in range(100)}, verifier)


CELLS = [
    cell("base", 0, "sample", 1, 0.3),
    cell("base", 0, "vote", 100, 0.6),
    cell("after", 1000, "sample", 1, 0.6),
    cell("after", 1000, "vote", 100, 0.9),
]


def steps(questions: float) -> list[tuple[float, str, str]]:
    found = Crossed(CELLS).line(CELLS, questions)
    return [(p["total_flops"], p["chosen"][0]["member"], p["chosen"][0]["strategy"]) for p in found]


def test_the_best_rises_with_work_and_drops_what_something_cheaper_matches() -> None:
    assert steps(1) == [(1, "base", "sample"), (100, "base", "vote"), (1100, "after", "vote")]
    many = [(1000, "base", "sample"), (2000, "after", "sample"), (101_000, "after", "vote")]
    assert steps(1000) == many


def test_thinking_wins_with_few_questions_and_training_with_many() -> None:
    few = {one.flops: one.winner for one in Crossed(CELLS).contests(1)}
    assert few[100] == "thinking"
    assert few[1001] == "neither"  # by then training has caught up
    many = {one.flops: one.winner for one in Crossed(CELLS).contests(1000)}
    assert many[2000] == "training"


def test_what_cannot_be_afforded_is_none_and_nobody_wins() -> None:
    first = Crossed([cell("base", 50, "vote", 1, 0.5)]).contests(1)[0]
    assert (first.training, first.winner) == (None, "neither")
    assert Crossed([]).contests(1) == []


def test_whoever_asks_a_verifier_pays_for_its_training() -> None:
    asking = cell("base", 0, "weighted_vote", 100, 0.9, verifier=1000)
    assert asking.total(1) == 1100
    rivals = [CELLS[1], asking]
    cheap = Crossed(rivals).best(rivals, 1, 1000)
    assert cheap is not None
    assert cheap.by_first.strategy == "vote"
    assert cheap.interval.y == pytest.approx(0.6)


def test_what_is_chosen_on_a_half_is_shown_on_the_other() -> None:
    """Thirty cells of pure noise: the best on all problems would look far better than the half that all are worth."""
    rng = random.Random(0)
    noise = [
        Cell("base", 0, f"s{i}", 1, 1, {str(p): ("f", float(rng.random() < 0.5)) for p in range(60)}) for i in range(30)
    ]
    flattering = max(c.mean(frozenset(c.accuracies)) for c in noise)
    honest = Crossed(noise).best(noise, 1, 1)
    assert honest is not None
    assert flattering > 0.6
    assert abs(honest.interval.y - 0.5) < 0.08
    assert honest.by_first != honest.by_second


def test_a_winner_is_ahead_on_the_same_problems_even_if_intervals_overlap() -> None:
    hard = {str(i): ("f", float(i % 2)) for i in range(100)}
    ahead = Cell("after", 5, "sample", 1, 1, hard)
    some = {str(i): ("f", 0.0) for i in (1, 3, 5, 7, 9, 11)}
    behind = Cell("base", 0, "vote", 1, 1, {**hard, **some})
    one, other = ahead.interval(), behind.interval()
    assert one is not None and other is not None
    assert one.low < other.high  # they overlap
    assert Crossed([ahead, behind]).contests(1)[-1].winner == "training"


def test_a_small_model_that_searches_against_a_large_one_that_does_not() -> None:
    rivals = [cell("small", None, "vote", 8, 0.7), cell("large", None, "sample", 10, 0.6)]
    data = as_data(rivals, (10,))["by_questions"][0]
    assert [p["chosen"][0]["member"] for p in data["frontier"]] == ["small"]
    assert data["frontier"][0]["total_flops"] == 80
    assert list(data["members"]) == ["small", "large"]
    assert data["members"]["large"][0]["accuracy"]["y"] == pytest.approx(0.6)
