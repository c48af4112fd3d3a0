"""The compute-optimal envelope: what the best strategy at each budget reaches.

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
