"""Train compute by thinking compute: who wins at equal total work, more training or more thinking.

Members are policies with what their training cost: the checkpoints of one run, or a small and a large model. Each
thinks by some strategies at some budgets. Work is counted in floating-point operations: training once, thinking for
every question that will ever be asked, so the answer depends on how many there will be (Snell et al., arXiv
2408.03314, section 7: the ratio of inference to pre-training tokens). With few questions training is dear and thinking
is cheap.

A member whose training cost is not known takes part with thinking work alone, which the note must say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ponder.evaluation.intervals import Interval

QUESTIONS = (100, 1_000, 10_000, 100_000, 1_000_000)


@dataclass(frozen=True, slots=True)
class Cell:
    """A member thinking by `strategy` at `budget`.

    `train_flops` were spent once (None: not known), `think_flops` for each question on average.
    """

    member: str
    train_flops: float | None
    strategy: str
    budget: float
    think_flops: float
    accuracy: Interval

    def total(self, questions: float) -> float:
        """All work when so many questions are asked."""
        return (self.train_flops or 0.0) + questions * self.think_flops


@dataclass(frozen=True, slots=True)
class Contest:
    """At `flops` in total: the best cell of all, of training alone (one plain answer) and of thinking alone.

    Thinking alone is the member that was trained least. None where nothing fits into `flops`.
    """

    flops: float
    best: Cell | None
    training: Cell | None
    thinking: Cell | None

    @property
    def winner(self) -> str:
        """Who is ahead: "training", "thinking", or "neither" if their intervals overlap or one cannot be afforded."""
        if self.training is None or self.thinking is None:
            return "neither"
        one, other = self.training.accuracy, self.thinking.accuracy
        if one.low > other.high:
            return "training"
        return "thinking" if other.low > one.high else "neither"


def frontier(cells: Sequence[Cell], questions: float) -> list[Cell]:
    """The cells that no cheaper or equally dear one matches in accuracy, by rising total work."""
    kept: list[Cell] = []
    for cell in sorted(cells, key=lambda c: (c.total(questions), -c.accuracy.y)):
        if not kept or cell.accuracy.y > kept[-1].accuracy.y:
            kept.append(cell)
    return kept


def contests(cells: Sequence[Cell], questions: float) -> list[Contest]:
    """One contest at the total work of each cell where any of the three gets better."""
    if not cells:
        return []
    least = min(cells, key=lambda c: c.train_flops or 0.0).member
    plain = [cell for cell in cells if cell.strategy == "sample"]
    base = [cell for cell in cells if cell.member == least]
    levels = sorted({c.total(questions) for some in (cells, plain, base) for c in frontier(some, questions)})
    return [Contest(c, *(_best(some, questions, c) for some in (cells, plain, base))) for c in levels]


def _best(cells: Sequence[Cell], questions: float, flops: float) -> Cell | None:
    """The most accurate cell that costs no more than `flops` (equal: the cheapest)."""
    within = [cell for cell in cells if cell.total(questions) <= flops * (1 + 1e-12)]
    return max(within, key=lambda c: (c.accuracy.y, -c.total(questions)), default=None)


def as_data(cells: Sequence[Cell], questions: Sequence[float] = QUESTIONS) -> dict[str, Any]:
    """Cells, and for each number of questions the frontier and who wins along it, as plain data."""
    return {
        "cells": [asdict(cell) for cell in cells],
        "by_questions": [
            {
                "questions": q,
                "frontier": [{**asdict(cell), "total_flops": cell.total(q)} for cell in frontier(cells, q)],
                "contests": [{**asdict(one), "winner": one.winner} for one in contests(cells, q)],
            }
            for q in questions
        ],
    }
