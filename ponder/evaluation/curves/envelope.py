"""The compute-optimal envelope: what the best strategy at each budget reaches, and how cheaply a level is reached.

The best of many noisy accuracies looks better than it is. So the strategy of a budget is chosen on one half of the
problems and shown on the other, and the other way round (Snell et al., arXiv 2408.03314, two folds).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ponder.evaluation.curves.scaling import by_family, mean_spent, thinking_curve
from ponder.evaluation.pools.runs import Runs
from ponder.evaluation.verifier_gain import halves
from ponder.types import Curve


@dataclass(frozen=True, slots=True)
class Envelope:
    """The curve, and at each of its budgets the strategies that the two halves chose."""

    curve: Curve
    budgets: tuple[float, ...]
    chosen: tuple[tuple[str, str], ...]


def envelope(runs: Mapping[str, Sequence[Runs]], *, seed: int = 0) -> Envelope | None:
    """The best of `runs` (strategy -> one entry a budget) at each budget, on problems that all of them were run on.

    None if no budget holds a strategy with problems in both halves.
    """
    best: list[Runs] = []
    chosen: list[tuple[str, str]] = []
    for budget in sorted({some.budget for entries in runs.values() for some in entries}):
        rivals = [some for entries in runs.values() for some in entries if some.budget == budget and some.problems]
        found = _crossed(rivals, seed) if rivals else None
        if found is not None:
            best.append(found[0])
            chosen.append(found[1])
    if not best:
        return None
    note = "the strategy of each budget is chosen on one half of the problems and shown on the other"
    curve = replace(thinking_curve("best at each budget", best, seed=seed), note=note)
    return Envelope(curve, tuple(some.budget for some in best), tuple(chosen))


def _crossed(rivals: Sequence[Runs], seed: int) -> tuple[Runs, tuple[str, str]] | None:
    """Each half shown by the strategy that did best on the other half."""
    shared = set.intersection(*({p.id for p in some.problems} for some in rivals))
    rivals = [some.among(shared) for some in rivals]
    first, second = halves(rivals[0], seed) if shared else (frozenset[str](), frozenset[str]())
    if not first or not second:
        return None
    by_first, by_second = (max(rivals, key=lambda some: _rank(some, half)) for half in (first, second))
    problems = (*by_second.among(first).problems, *by_first.among(second).problems)
    mixed = Runs("best at each budget", rivals[0].budget, problems, max(by_first.dry, by_second.dry))
    return mixed, (by_first.strategy, by_second.strategy)


def _rank(runs: Runs, half: frozenset[str]) -> tuple[float, float]:
    """Accuracy on the half, then cheapness."""
    part = runs.among(half)
    means = [math.fsum(some) / len(some) for some in by_family((p.family, p.accuracy) for p in part.problems).values()]
    return math.fsum(means) / len(means), -mean_spent(part)


@dataclass(frozen=True, slots=True)
class Cheapness:
    """How cheaply `strategy` reaches what `against` reaches at its largest budget.

    `accuracy` is that level and `dear` the token-equivalents it took; `cheap` those that `strategy` needs, between
    measured points on a straight line over log tokens (None: never reached). `share` is cheap / dear.
    """

    strategy: str
    against: str
    accuracy: float
    dear: float
    cheap: float | None

    @property
    def share(self) -> float | None:
        return None if self.cheap is None else self.cheap / self.dear


def cheapness(curve: Curve, against: Curve) -> Cheapness | None:
    """What it costs `curve` to reach the last point of `against`; None if either has no point."""
    if not curve.points or not against.points:
        return None
    last = against.points[-1]
    return Cheapness(curve.name, against.name, last.y, last.x, reach(curve, last.y))


def reach(curve: Curve, level: float) -> float | None:
    """The fewest token-equivalents at which `curve` reaches `level`; None if it never does."""
    before = None
    for point in curve.points:
        if point.y >= level:
            if before is None or point.y == before.y or before.x <= 0:
                return point.x
            share = (level - before.y) / (point.y - before.y)
            return float(before.x * (point.x / before.x) ** share)
        before = point
    return None
