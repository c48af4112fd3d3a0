"""How cheaply one strategy reaches what another reaches, as a ratio of tokens with its interval.

A vote that no longer rises would look dear at its largest budget. So it is charged for the cheapest budget at which it
is not measurably worse than at its largest: the first whose paired 95 % interval of the difference holds 0. The other
strategy must reach the accuracy that the vote has there. A noisy curve crosses that level too early, so it is first
made to rise: neighbours in the wrong order are replaced by their mean (isotonic regression). The ratio is then
bootstrapped over problems, with level, cost and crossing taken anew from each resample.

Degenerates when the strategy is too weak: if more than 2.5 % of the resamples never reach the level, there is no upper
end; if the measured curve itself does not, there is no ratio.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ponder.evaluation.curves.scaling import by_family, mean_spent
from ponder.evaluation.intervals import DIFFERENCE, stratified_interval
from ponder.evaluation.pools.runs import Runs

RESAMPLES = 1000
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Cheapness:
    """`strategy` needs `cheap` token-equivalents for the `accuracy` that `against` has for `dear`.

    `share` is cheap / dear, `low` and `high` the ends of its 95 % interval over the `problems` that both were run on.
    `cheap`, `share` are None if the level is never reached, an end if too many resamples do not reach it.
    """

    strategy: str
    against: str
    accuracy: float
    dear: float
    cheap: float | None
    share: float | None
    low: float | None
    high: float | None
    problems: int


def cheapness(runs: Sequence[Runs], against: Sequence[Runs], *, seed: int = 0) -> Cheapness | None:
    """Compare two strategies, one entry a budget each; None if they share no problem at all of their budgets."""
    ours, theirs = (sorted((r for r in some if r.problems), key=lambda r: r.budget) for some in (runs, against))
    if not ours or not theirs:
        return None
    shared = frozenset.intersection(*(frozenset(p.id for p in r.problems) for r in (*ours, *theirs)))
    if not shared:
        return None
    ours, theirs = [r.among(shared) for r in ours], [r.among(shared) for r in theirs]
    enough = _cheapest(theirs, seed)
    families = [p.family for p in enough.problems]
    weights_P = _weights(families)
    # [budgets, problems], problems in one order
    order = [p.id for p in enough.problems]
    accuracy, spent = _table(ours, order)
    level_P, dear_P = (row[0] for row in _table([enough], order))

    def share(weights: Floats) -> tuple[float, float, float]:
        level, dear = float(level_P @ weights), float(dear_P @ weights)
        cheap = reach(spent @ weights, rising(accuracy @ weights), level)
        return level, dear, cheap

    level, dear, cheap = share(weights_P)
    drawn = [share(w) for w in _resampled(families, np.random.default_rng(seed))]
    ratios = np.asarray([c / d for _, d, c in drawn])
    low = float(np.percentile(ratios, 2.5, method="lower"))
    high = float(np.percentile(ratios, 97.5, method="higher"))
    is_reached = bool(np.isfinite(cheap))
    return Cheapness(
        strategy=ours[0].strategy,
        against=theirs[0].strategy,
        accuracy=level,
        dear=dear,
        cheap=cheap if is_reached else None,
        share=cheap / dear if is_reached else None,
        low=min(low, cheap / dear) if np.isfinite(low) else None,
        high=max(high, cheap / dear) if np.isfinite(high) else None,
        problems=len(order),
    )


def rising(values: Floats) -> Floats:
    """The nearest curve that never falls, by squares (pool adjacent violators): [0.2, 0.6, 0.4] -> [0.2, 0.5, 0.5]."""
    blocks: list[tuple[float, int]] = []
    for value in values:
        mean, n = float(value), 1
        while blocks and blocks[-1][0] > mean:
            before, m = blocks.pop()
            mean, n = (before * m + mean * n) / (m + n), m + n
        blocks.append((mean, n))
    return np.concatenate([np.full(n, mean) for mean, n in blocks])


def reach(tokens: Floats, accuracy: Floats, level: float) -> float:
    """The fewest tokens at which a rising curve reaches `level`, on straight lines over log tokens; inf if never."""
    at = np.flatnonzero(accuracy >= level - 1e-12)
    if not len(at):
        return float("inf")
    i = int(at[0])
    if i == 0 or accuracy[i] == accuracy[i - 1] or tokens[i - 1] <= 0:
        return float(tokens[i])
    part = (level - accuracy[i - 1]) / (accuracy[i] - accuracy[i - 1])
    return float(tokens[i - 1] * (tokens[i] / tokens[i - 1]) ** part)


def _cheapest(ordered: Sequence[Runs], seed: int) -> Runs:
    """The cheapest runs that are not measurably worse than those at the largest budget."""
    last = {p.id: p.accuracy for p in ordered[-1].problems}
    for some in sorted(ordered, key=mean_spent):
        gaps = by_family((p.family, last[p.id] - p.accuracy) for p in some.problems)
        found = stratified_interval(gaps, seed=seed, bounds=DIFFERENCE)
        if found is not None and found.low <= 0.0:
            return some
    return ordered[-1]


def _table(runs: Sequence[Runs], order: Sequence[str]) -> tuple[Floats, Floats]:
    """Accuracy and tokens spent, [budgets, problems]."""
    known = [{p.id: p for p in some.problems} for some in runs]
    accuracy = np.asarray([[some[id].accuracy for id in order] for some in known])
    return accuracy, np.asarray([[some[id].spent for id in order] for some in known])


def _weights(families: Sequence[str]) -> Floats:
    """What makes the mean of the families' means out of a sum over problems."""
    return np.asarray([1.0 / (len(set(families)) * families.count(family)) for family in families])


def _resampled(families: Sequence[str], rng: np.random.Generator) -> Floats:
    """Weights [RESAMPLES, problems] of problems drawn again within their families."""
    found = np.zeros((RESAMPLES, len(families)))
    for family in dict.fromkeys(families):
        at = np.flatnonzero(np.asarray(families) == family)
        found[:, at] = rng.multinomial(len(at), np.full(len(at), 1.0 / len(at)), size=RESAMPLES) / len(at)
    return found / len(set(families))
