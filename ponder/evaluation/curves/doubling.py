"""Points per doubling: how much accuracy twice the tokens buy, over which range, with an interval over problems.

The slope of a least-squares line through accuracy against log2 of the mean tokens spent. It is linear in the
accuracies, so each problem has a slope of its own and the mean slope is the slope of the mean: the interval is a plain
bootstrap over problems. A curve that saturates has no one slope; therefore the range is part of the number, and the
slopes from each budget to the next stand beside it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from ponder.evaluation.curves.scaling import by_family, mean_spent
from ponder.evaluation.intervals import DIFFERENCE, Interval, stratified_interval
from ponder.evaluation.pools.runs import Runs


@dataclass(frozen=True, slots=True)
class Doubling:
    """Accuracy gained a doubling of the tokens, from `start` to `end` token-equivalents a problem.

    `points` is a fraction: 0.04 is 4 percentage points. `budgets` is how many budgets the line goes through.
    """

    start: float
    end: float
    budgets: int
    points: Interval


def doubling(runs: Sequence[Runs], *, seed: int = 0) -> Doubling | None:
    """The slope over all of `runs`, one entry a budget; None with fewer than two budgets of different cost.

    Only problems that were run at every budget take part, families weighing alike.
    """
    ordered = sorted((some for some in runs if some.problems), key=lambda some: some.budget)
    if len(ordered) < 2:
        return None
    shared = set.intersection(*({p.id for p in some.problems} for some in ordered))
    ordered = [some.among(shared) for some in ordered]
    if not shared:
        return None
    tokens = [mean_spent(some) for some in ordered]
    if min(tokens) <= 0 or max(tokens) == min(tokens):
        return None
    weights = _weights([math.log2(x) for x in tokens])
    accuracies = [{p.id: p.accuracy for p in some.problems} for some in ordered]
    slopes = by_family(
        (p.family, math.fsum(w * known[p.id] for w, known in zip(weights, accuracies, strict=True)))
        for p in ordered[0].problems
    )
    found = stratified_interval(slopes, seed=seed, bounds=DIFFERENCE)
    return None if found is None else Doubling(tokens[0], tokens[-1], len(ordered), found)


def steps(runs: Sequence[Runs], *, seed: int = 0) -> list[Doubling]:
    """The slope from each budget to the next."""
    ordered = sorted((some for some in runs if some.problems), key=lambda some: some.budget)
    found = [doubling(pair, seed=seed) for pair in pairwise(ordered)]
    return [one for one in found if one is not None]


def _weights(logs: Sequence[float]) -> list[float]:
    """What multiplies each accuracy in the least-squares slope."""
    mean = math.fsum(logs) / len(logs)
    spread = math.fsum((x - mean) ** 2 for x in logs)
    return [(x - mean) / spread for x in logs]
