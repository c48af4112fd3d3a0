"""Scaling curves: accuracy against thinking, against samples, against natural length and against training.

Accuracy is the mean over families of the mean over problems, and its 95 % interval is over problems. A point exists
only if it was measured: nothing is carried on or filled in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from ponder.evaluation.intervals import Interval, ratio_interval, stratified_interval
from ponder.evaluation.metrics import pass_at_k
from ponder.evaluation.pools.pool import Pool
from ponder.evaluation.pools.runs import Runs
from ponder.types import Curve, CurvePoint

TOKENS = "token-equivalents a problem"
ACCURACY = "accuracy"


def thinking_curve(name: str, runs: Sequence[Runs], *, seed: int = 0) -> Curve:
    """Test-time curve of one strategy: accuracy against the mean tokens its runs really spent, one point a budget."""
    ordered = sorted((some for some in runs if some.problems), key=lambda some: some.budget)
    points = [point for some in ordered for point in _points(mean_spent(some), accuracy_interval(some, seed=seed))]
    dry = [f"{some.dry:.0%} of runs at budget {some.budget:g}" for some in ordered if some.dry]
    return Curve(name, TOKENS, ACCURACY, tuple(points), f"the samples ran out in {', '.join(dry)}" if dry else "")


def accuracy_interval(runs: Runs, *, seed: int = 0) -> Interval | None:
    """Mean over families of the runs' accuracy. None if there are no runs."""
    return stratified_interval(by_family((p.family, p.accuracy) for p in runs.problems), seed=seed)


def mean_spent(runs: Runs) -> float:
    """Mean token-equivalents of a run, families weighing alike as in the accuracy beside it."""
    return _mean_of_means(by_family((p.family, p.spent) for p in runs.problems))


def coverage_curve(pool: Pool, ks: Sequence[int] = (1, 2, 4, 8, 16, 32, 64), *, seed: int = 0) -> Curve:
    """Pass@k against the mean tokens of k samples: what a perfect verifier that costs nothing would reach.

    A k is left out where any problem has fewer samples, since its point would be of other problems than the rest.
    """
    outcomes_PG = [(e.problem.family, [d.outcome or 0.0 for d in e.draws]) for e in pool.entries]
    lengths = [(e.problem.family, float(np.mean([len(d.trajectory) for d in e.draws]))) for e in pool.entries]
    tokens = _mean_of_means(by_family(lengths))
    points: list[CurvePoint] = []
    for k in sorted(set(ks)):
        covered = [(family, pass_at_k(len(ys), sum(y > 0 for y in ys), k)) for family, ys in outcomes_PG]
        known = [(family, value) for family, value in covered if value is not None]
        if len(known) == len(covered):
            points += _points(k * tokens, stratified_interval(by_family(known), seed=seed))
    return Curve("coverage", TOKENS, "pass@k", tuple(points), "at least one of k samples is right; no choice is made")


def natural_curve(pool: Pool, buckets: int = 6, *, seed: int = 0) -> Curve:
    """Accuracy of single samples by how long they happened to be, in `buckets` of about equally many samples.

    Samples of equal length share a bucket. Hard problems take longer, so this shows selection and not what a longer
    thought would do.
    """
    samples = [(len(d.trajectory), p, d.outcome or 0.0) for p, e in enumerate(pool.entries) for d in e.draws]
    lengths = np.array([length for length, _, _ in samples])
    edges = np.unique(np.quantile(lengths, np.arange(1, buckets) / buckets)) if buckets > 1 else np.empty(0)
    bucket_of = np.searchsorted(edges, lengths, side="left")
    points: list[CurvePoint] = []
    for bucket in np.unique(bucket_of):
        sums, counts = np.zeros(len(pool.entries)), np.zeros(len(pool.entries))
        for i in np.flatnonzero(bucket_of == bucket):
            sums[samples[i][1]] += samples[i][2]
            counts[samples[i][1]] += 1
        x = float(lengths[bucket_of == bucket].mean())
        points += _points(x, ratio_interval(sums.tolist(), counts.tolist(), seed=seed))
    note = "selection, not control: samples sorted by the length they happened to have"
    return Curve("natural length", "tokens of the sample", ACCURACY, tuple(points), note)


def training_curve(
    name: str, points: Iterable[tuple[float, Mapping[str, Sequence[float | Sequence[float]]]]], *, seed: int = 0
) -> Curve:
    """Train-time curve. `points` are (training FLOPs so far, values of the validation problems by family)."""
    found = [
        point
        for flops, values in sorted(points, key=lambda point: point[0])
        for point in _points(flops, stratified_interval(values, seed=seed))
    ]
    return Curve(name, "training FLOPs", ACCURACY, tuple(found))


def by_family(values: Iterable[tuple[str, float]]) -> dict[str, list[float]]:
    """(family, value) pairs as one list a family, in order of first appearance."""
    grouped: dict[str, list[float]] = {}
    for family, value in values:
        grouped.setdefault(family, []).append(value)
    return grouped


def _mean_of_means(values: Mapping[str, Sequence[float]]) -> float:
    return float(np.mean([np.mean(some) for some in values.values()]))


def _points(x: float, interval: Interval | None) -> list[CurvePoint]:
    """One point, or none if nothing was measured."""
    return [] if interval is None else [CurvePoint(x, interval.y, interval.low, interval.high, interval.n)]
