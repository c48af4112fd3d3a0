"""Over-optimising a learned score (Gao et al., 2210.10760): whether accuracy falls when more samples compete.

Best-of-N moves away from the policy by d = sqrt(KL), KL <= log N - (N-1)/N. The gain over one sample follows
d (a - b d), with its peak at d = a / 2b; a and b are fitted by least squares. Whether it really falls is a paired
question: the N that is best on one half of the problems, chosen there, against the largest N on the other half. A
proxy with heavy-tailed errors falls, one with Gaussian errors does not. Without two N above 1 there is nothing to fit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from ponder.evaluation.audit.calibration import Floats
from ponder.evaluation.audit.curves import Pool
from ponder.evaluation.audit.forecast import halves
from ponder.evaluation.intervals import paired_interval
from ponder.evaluation.metrics import best_of_n


def distance(n: int) -> float:
    """Square root of the bound on the divergence of best-of-N from the policy, in nats."""
    return math.sqrt(max(0.0, math.log(n) - (n - 1) / n))


def pressure(pools: Sequence[Pool], *, seed: int = 0) -> dict[str, Any] | None:
    """Coefficients, the N of the fitted peak (None: none within ten times the largest N) and the paired fall."""
    most = min(map(len, pools))
    ns = sorted({n for n in (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128) if n < most} | {1, most})
    if len(ns) < 3:
        return None
    values_PN = np.array([[_best(pool, n) for n in ns] for pool in pools])
    gains = values_PN.mean(axis=0) - values_PN[:, 0].mean()
    a, b = fitted([distance(n) for n in ns], gains.tolist())
    names = [pool[0].problem for pool in pools]
    first = {pool[0].problem for pool in halves(pools, seed)[0]}
    chosen_on = np.array([name in first for name in names])
    best = int(values_PN[chosen_on].mean(axis=0).argmax())
    rest: Floats = values_PN[~chosen_on]
    fall = paired_interval(rest[:, best].tolist(), rest[:, -1].tolist(), seed=seed) if len(rest) else None
    return {
        "a": a,
        "b": b,
        "peak_n": _peak(a, b, 10 * most),
        "best_n": ns[best],
        "largest_n": most,
        "fall": None if fall is None else asdict(fall),
        "falls": fall is not None and fall.high < 0.0,
    }


def fitted(distances: Sequence[float], gains: Sequence[float]) -> tuple[float, float]:
    """Coefficients a and b of gain = d (a - b d) by least squares."""
    d = np.asarray(distances)
    (a, b), *_ = np.linalg.lstsq(np.stack([d, -d * d], axis=1), np.asarray(gains), rcond=None)
    return float(a), float(b)


def _peak(a: float, b: float, most: int) -> int | None:
    if a <= 0 or b <= 0:
        return None
    return next((n for n in range(1, most + 1) if distance(n) >= a / (2 * b)), None)


def _best(pool: Pool, n: int) -> float:
    found = best_of_n([one.score for one in pool], [one.outcome for one in pool], n)
    assert found is not None  # n is at most what every pool holds
    return found
