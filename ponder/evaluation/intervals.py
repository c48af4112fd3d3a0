"""95 % intervals by the percentile bootstrap over problems.

The problem is what is drawn again, never the sample: samples of one problem are not independent. A problem with
several samples counts as their mean.

If all problems of a family have one value, resampling them says nothing, and a width of zero would flatter. Then up to
u = z^2 / (n + z^2) of all problems may still be of another kind that n draws did not show (Wilson's bound for 0 of n),
anywhere in `bounds`: for 0 of n right this is Wilson's interval. In a mean over families the distances to the two
ends of independent families add up in squares (Zou and Donner 2008, "MOVER"), so a family in which all problems agree
adds its own uncertainty to what the resampled families show.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ponder.types import PonderError

RESAMPLES = 2000
Z = 1.959963984540054  # the 97.5 % point of the normal distribution
Bounds = tuple[float, float]
SHARE: Bounds = (0.0, 1.0)
DIFFERENCE: Bounds = (-1.0, 1.0)
# Resampling works in blocks of about this many draws, so that memory stays at some tens of megabytes.
_BLOCK = 2_000_000

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate `y` with its 95 % interval; `n` is the number of problems. JSON by `dataclasses.asdict`."""

    y: float
    low: float
    high: float
    n: int


def mean_interval(
    values_P: Sequence[float | Sequence[float]], *, seed: int = 0, bounds: Bounds = SHARE, resamples: int = RESAMPLES
) -> Interval | None:
    """Mean over problems. An entry is a value or the values of several samples. None if there is no problem."""
    return stratified_interval({"": values_P}, seed=seed, bounds=bounds, resamples=resamples) if values_P else None


def paired_interval(
    before_P: Sequence[float | Sequence[float]],
    after_P: Sequence[float | Sequence[float]],
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Interval | None:
    """Mean of after minus before on the same problems, in the same order; a resample draws a problem in both arms."""
    if len(before_P) != len(after_P):
        raise PonderError(f"a paired difference needs the same problems twice, got {len(before_P)} and {len(after_P)}")
    differences = _means(after_P) - _means(before_P)
    return mean_interval(differences.tolist(), seed=seed, bounds=DIFFERENCE, resamples=resamples)


def stratified_interval(
    values_by_stratum: Mapping[str, Sequence[float | Sequence[float]]],
    *,
    seed: int = 0,
    bounds: Bounds = SHARE,
    resamples: int = RESAMPLES,
) -> Interval | None:
    """Mean of the strata's means (a stratum is a family), each resampled within itself. None if there is no stratum.

    A stratum without problems is refused: leaving it out would change what the mean is a mean of.
    """
    empty = [name for name, values in values_by_stratum.items() if not values]
    if empty:
        raise PonderError(f"no problems in {', '.join(map(repr, empty))}; leave the family out or give it problems")
    if not values_by_stratum:
        return None
    rng = np.random.default_rng(seed)
    strata = [_means(values) for values in values_by_stratum.values()]
    y = _clip(float(np.mean([stratum.mean() for stratum in strata])), bounds)
    n = sum(map(len, strata))
    alike = [stratum for stratum in strata if stratum.min() == stratum.max()]
    varied = [stratum for stratum in strata if stratum.min() < stratum.max()]
    below, above = _spread(varied, len(strata), rng, resamples)
    ends = [(float(stratum[0]), *_unseen(float(stratum[0]), len(stratum), bounds)) for stratum in alike]
    low = y - math.hypot(below, *((value - low) / len(strata) for value, low, _ in ends))
    high = y + math.hypot(above, *((high - value) / len(strata) for value, _, high in ends))
    return Interval(y, max(low, bounds[0]), min(high, bounds[1]), n)


def ratio_interval(
    sums_P: Sequence[float], counts_P: Sequence[float], *, seed: int = 0, resamples: int = RESAMPLES
) -> Interval | None:
    """Pooled mean of samples that problems have in unequal numbers (sum of sums over sum of counts).

    Problems are resampled with all their samples. Problems without a sample are left out. None if none is left.
    """
    if len(sums_P) != len(counts_P):
        raise PonderError(f"one sum and one count a problem are needed, got {len(sums_P)} and {len(counts_P)}")
    held = np.asarray(counts_P, dtype=float) > 0
    sums = np.asarray(sums_P, dtype=float)[held]
    counts = np.asarray(counts_P, dtype=float)[held]
    if not len(sums):
        return None
    y = float(sums.sum() / counts.sum())
    if np.all(sums / counts == sums[0] / counts[0]):
        return Interval(y, *_unseen(y, len(sums), SHARE), len(sums))
    rng = np.random.default_rng(seed)
    both = np.stack([sums, counts], axis=1)
    means_R = _resampled_means(both, rng, resamples)
    low, high = np.percentile(means_R[:, 0] / means_R[:, 1], [2.5, 97.5])
    return Interval(y, min(float(low), y), max(float(high), y), len(sums))


def wilson(successes: int, n: int) -> Interval | None:
    """Wilson's score interval of a single proportion. None if n is 0."""
    if not 0 <= successes <= n:
        raise PonderError(f"{successes} successes of {n}; the count must lie in 0..{n}")
    if n == 0:
        return None
    p = successes / n
    centre = (p + Z * Z / (2 * n)) / (1 + Z * Z / n)
    half = Z / (1 + Z * Z / n) * math.sqrt(p * (1 - p) / n + Z * Z / (4 * n * n))
    return Interval(p, max(0.0, min(p, centre - half)), min(1.0, max(p, centre + half)), n)


def _means(values_P: Sequence[float | Sequence[float]]) -> Floats:
    """One number a problem."""
    means = []
    for i, values in enumerate(values_P):
        if isinstance(values, Sequence):
            if not values:
                raise PonderError(f"problem {i} has no samples; drop the problem, its accuracy is not 0")
            means.append(sum(values) / len(values))
        else:
            means.append(float(values))
    return np.asarray(means, dtype=float)


def _spread(varied: Sequence[Floats], among: int, rng: np.random.Generator, resamples: int) -> tuple[float, float]:
    """How far the 95 % interval of the resampled strata reaches below and above; each weighs 1 / `among`."""
    if not varied:
        return 0.0, 0.0
    means_R = np.sum([_resampled_means(stratum, rng, resamples) for stratum in varied], axis=0) / among
    middle = sum(float(stratum.mean()) for stratum in varied) / among
    low, high = np.percentile(means_R, [2.5, 97.5])
    # A percentile can miss the mean by a rounding error when nearly all resamples agree.
    return max(0.0, middle - float(low)), max(0.0, float(high) - middle)


def _resampled_means(values: Floats, rng: np.random.Generator, resamples: int) -> Floats:
    """Means over problems (axis 0) of `resamples` draws with replacement; [P] -> [R], [P, 2] -> [R, 2]."""
    n = len(values)
    rows = max(1, _BLOCK // n)
    blocks = [
        values[rng.integers(n, size=(min(rows, resamples - start), n))].mean(axis=1)
        for start in range(0, resamples, rows)
    ]
    return np.concatenate(blocks)


def _unseen(value: float, n: int, bounds: Bounds) -> Bounds:
    """Where the mean may lie if all n problems have `value`; see the head of this file."""
    unseen = Z * Z / (n + Z * Z)
    low, high = ((1 - unseen) * value + unseen * bound for bound in bounds)
    return min(low, value), max(high, value)


def _clip(value: float, bounds: Bounds) -> float:
    return min(max(value, bounds[0]), bounds[1])
