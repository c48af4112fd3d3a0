"""Train compute by thinking compute: who wins at equal total work, more training or more thinking.

Members are policies with what their training cost: the checkpoints of one run, or a small and a large model. Each
thinks by some strategies at some budgets. Work is counted in floating-point operations: training once, thinking for
every question that will ever be asked, so the answer depends on how many there will be (Snell et al., arXiv
2408.03314, section 7: the ratio of inference to pre-training tokens). With few questions training is dear and thinking
is cheap. A strategy that asks a learned verifier also pays for that verifier's training, whoever thinks with it.

The best of many noisy cells looks better than it is. So a cell is chosen by one half of the problems and shown on the
other, and the other way round; nothing is shown on the problems that chose it. The two halves may choose two cells.

A member whose training cost is not known takes part with thinking work alone, which the note must say.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from ponder.evaluation.curves.scaling import by_family
from ponder.evaluation.intervals import DIFFERENCE, Interval, stratified_interval
from ponder.evaluation.verifier_gain import halved

QUESTIONS = (100, 1_000, 10_000, 100_000, 1_000_000)
Accuracies = dict[str, tuple[str, float]]  # id of a problem -> its family, the accuracy on it


@dataclass(frozen=True, slots=True)
class Cell:
    """A member thinking by `strategy` at `budget`, on the problems of `accuracies`.

    `train_flops` were spent once (None: not known), `think_flops` for each question on average. `verifier_flops` is
    what training the verifier cost beside that: 0 where none is asked, or where the member's training paid for it.
    """

    member: str
    train_flops: float | None
    strategy: str
    budget: float
    think_flops: float
    accuracies: Accuracies
    verifier_flops: float = 0.0

    def total(self, questions: float) -> float:
        """All work when so many questions are asked."""
        return (self.train_flops or 0.0) + self.verifier_flops + questions * self.think_flops

    def mean(self, ids: frozenset[str]) -> float:
        """Mean over families of the accuracy on the problems in `ids`; 0 if it was run on none of them."""
        some = by_family((family, y) for id, (family, y) in self.accuracies.items() if id in ids).values()
        return math.fsum(math.fsum(ys) / len(ys) for ys in some) / len(some) if some else 0.0

    def interval(self) -> Interval | None:
        """Its own accuracy on all problems; chosen by nobody."""
        return stratified_interval(by_family(self.accuracies.values()))

    def named(self) -> dict[str, Any]:
        """What it is, without what came of it."""
        return {"member": self.member, "strategy": self.strategy, "budget": self.budget}


@dataclass(frozen=True)
class Pick:
    """The best of some cells: `by_first` was chosen on the first half of the problems and is shown on the second.

    `accuracies` are those shown, each problem by the cell that the other half chose.
    """

    by_first: Cell
    by_second: Cell
    accuracies: Accuracies

    @cached_property
    def interval(self) -> Interval:
        found = stratified_interval(by_family(self.accuracies.values()))
        assert found is not None  # a pick has problems
        return found

    def as_data(self) -> dict[str, Any]:
        chosen = [self.by_first] if self.by_first is self.by_second else [self.by_first, self.by_second]
        return {"chosen": [cell.named() for cell in chosen], "accuracy": asdict(self.interval)}


@dataclass(frozen=True, slots=True)
class Contest:
    """At `flops` in total: the best of all cells, of training alone (one plain answer) and of thinking alone.

    Thinking alone is the member that was trained least, with whatever verifier it pays for. None where nothing fits
    into `flops`.
    """

    flops: float
    best: Pick | None
    training: Pick | None
    thinking: Pick | None

    @property
    def winner(self) -> str:
        """Who is ahead by the paired difference on the same problems: "training", "thinking", or "neither"."""
        if self.training is None or self.thinking is None:
            return "neither"
        other = self.thinking.accuracies
        gaps = [(family, y - other[id][1]) for id, (family, y) in self.training.accuracies.items() if id in other]
        found = stratified_interval(by_family(gaps), bounds=DIFFERENCE)
        if found is None or found.low <= 0.0 <= found.high:
            return "neither"
        return "training" if found.low > 0.0 else "thinking"

    def as_data(self) -> dict[str, Any]:
        picks = {"best": self.best, "training": self.training, "thinking": self.thinking}
        shown = {name: None if pick is None else pick.as_data() for name, pick in picks.items()}
        return {"flops": self.flops, **shown, "winner": self.winner}


class Crossed:
    """Cells with the means of their two halves, so that choosing among them is cheap.

    Cells are compared on the problems that all of them have.
    """

    def __init__(self, cells: Sequence[Cell], *, seed: int = 0) -> None:
        self.cells = tuple(cells)
        ids = [frozenset(cell.accuracies) for cell in cells]
        shared = frozenset.intersection(*ids) if ids else frozenset[str]()
        self._families = {id: family for id, (family, _) in cells[0].accuracies.items() if id in shared} if ids else {}
        self._halves = halved(self._families.items(), seed)
        self._means = {id(cell): tuple(cell.mean(half) for half in self._halves) for cell in cells}
        self._picks: dict[tuple[int, int], Pick] = {}

    def best(self, cells: Sequence[Cell], questions: float, flops: float) -> Pick | None:
        """The most accurate of `cells` that cost no more than `flops` (equal: the cheapest), crossed over two halves.

        A half without a problem chooses the cheapest. None if nothing can be paid, or there is no problem.
        """
        within = sorted(
            (c for c in cells if c.total(questions) <= flops * (1 + 1e-12)), key=lambda c: c.total(questions)
        )
        if not within or not self._families:
            return None
        by_first, by_second = (max(within, key=lambda c: self._means[id(c)][half]) for half in (0, 1))
        key = id(by_first), id(by_second)
        if key not in self._picks:
            first, _ = self._halves
            shown = {i: (by_second if i in first else by_first).accuracies[i] for i in self._families}
            self._picks[key] = Pick(by_first, by_second, shown)
        return self._picks[key]

    def contests(self, questions: float) -> list[Contest]:
        """One contest at each total of work at which another cell is chosen for any of the three."""
        if not self.cells:
            return []
        least = min(self.cells, key=lambda c: c.train_flops or 0.0).member
        plain = [cell for cell in self.cells if cell.strategy == "sample"]
        base = [cell for cell in self.cells if cell.member == least]
        found: list[Contest] = []
        for flops in levels(self.cells, questions):
            one = Contest(flops, *(self.best(some, questions, flops) for some in (self.cells, plain, base)))
            if not found or _picks(one) != _picks(found[-1]):
                found.append(one)
        return found

    def line(self, cells: Sequence[Cell], questions: float) -> list[dict[str, Any]]:
        """Accuracy against total work of the best of `cells`: a point wherever another cell is chosen."""
        points: list[dict[str, Any]] = []
        before: Pick | None = None
        for flops in levels(cells, questions):
            pick = self.best(cells, questions, flops)
            if pick is not None and pick is not before:
                before = pick
                points.append({"total_flops": flops, **pick.as_data()})
        return points


def levels(cells: Sequence[Cell], questions: float) -> list[float]:
    """The totals of work at which one more cell can be paid."""
    return sorted({cell.total(questions) for cell in cells})


def as_data(cells: Sequence[Cell], questions: Sequence[float] = QUESTIONS, *, seed: int = 0) -> dict[str, Any]:
    """Cells, and for each number of questions the best of all, of each member, and who wins along it, as plain data."""
    crossed = Crossed(cells, seed=seed)
    members: dict[str, list[Cell]] = {}
    for cell in cells:
        members.setdefault(cell.member, []).append(cell)
    return {
        "cells": [_plain(cell) for cell in cells],
        "by_questions": [
            {
                "questions": q,
                "frontier": crossed.line(cells, q),
                "members": {name: crossed.line(some, q) for name, some in members.items()},
                "contests": [one.as_data() for one in crossed.contests(q)],
            }
            for q in questions
        ],
    }


def _plain(cell: Cell) -> dict[str, Any]:
    interval = cell.interval()
    costs = {name: getattr(cell, name) for name in ("train_flops", "verifier_flops", "think_flops")}
    return {**cell.named(), **costs, "accuracy": None if interval is None else asdict(interval)}


def _picks(contest: Contest) -> list[int]:
    return [id(pick) for pick in (contest.best, contest.training, contest.thinking)]
