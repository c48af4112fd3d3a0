"""The audit of a verifier on a policy's samples: how often it errs, what its scores mean, what it caps.

Accept rates, AUC and calibration have 95 % intervals over problems; so have their parts by level, by how often the
policy solves a problem, and by length. The ceiling (2411.17501) is what accepting and rejecting tends to with more
samples: mean over problems of p TPR / (p TPR + (1-p) FPR). A headline says what limits; how many samples are worth
paying for stands below it. What is undefined is None.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from ponder.evaluation.audit.calibration import (
    at_temperature,
    auc,
    expected_calibration_error,
    fit_temperature,
)
from ponder.evaluation.audit.curves import Pool, Sampled, chosen, unaided
from ponder.evaluation.audit.forecast import forecast, halves
from ponder.evaluation.audit.over_optimisation import pressure
from ponder.evaluation.audit.summary import at_equal_spend, details, headline, sentence, worth
from ponder.evaluation.audit.verifier_quality import resampled
from ponder.evaluation.intervals import Interval, mean_interval, ratio_interval
from ponder.evaluation.metrics import verifier_ceiling
from ponder.types import PonderError

__all__ = ["Sampled", "audit"]

BINS = 10
RATES = ((0.0, 0.0), (0.0, 0.25), (0.25, 0.5), (0.5, 0.75), (0.75, 1.0), (1.0, 1.0))


def audit(pools: Sequence[Pool], *, thresholds: Sequence[float] = (0.5,), seed: int = 0) -> dict[str, Any]:
    """Everything about the verifier that scored these pools (one a problem), as plain data.

    N runs over the powers of two that every problem has samples for. PonderError with fewer than 4 problems.
    """
    if len(pools) < 4:
        raise PonderError(f"an audit of {len(pools)} problems has no two halves; give it at least 4")
    threshold = thresholds[0]
    most = min(map(len, pools))
    ns = [n for n in (1, 2, 4, 8, 16, 32, 64, 128) if n < most] + [most]
    values = [[{**chosen(p, [one.score for one in p], n, threshold), **unaided(p, n)} for p in pools] for n in ns]
    curves_NP = {name: [[value[name] for value in row] for row in values] for name in values[0][0]}
    rates = [_rates(pools, t, seed) for t in thresholds]
    found: dict[str, Any] = {
        "schema": 1,
        "n_problems": len(pools),
        "n_samples": sum(map(len, pools)),
        "solve_rate": _plain(mean_interval([_outcomes(pool) for pool in pools], seed=seed)),
        "rates": rates,
        "auc": _plain(_over(pools, lambda some: auc(_scores(some), _outcomes(some)), seed)),
        "auc_within": _within(pools, seed),
        "calibration": calibration(pools, seed),
        "by_level": _parts(_by(pools, lambda pool: f"{pool[0].family} {pool[0].level}"), threshold, seed),
        "by_solve_rate": _parts(_by(pools, lambda pool: _rate_name(_solve_rate(pool))), threshold, seed),
        "by_length": _parts(_by_length(pools), threshold, seed),
        "ns": ns,
        "curves": {
            name: [{**(_plain(mean_interval(v, seed=seed)) or {}), "n": n} for n, v in zip(ns, rows, strict=True)]
            for name, rows in curves_NP.items()
        },
        "forecast": forecast(pools, ns, threshold, seed=seed),
        "over_optimisation": pressure(pools, seed=seed),
        "threshold": threshold,
    }
    tokens = float(np.mean([one.tokens for pool in pools for one in pool]))
    cost = float(np.mean([one.cost for pool in pools for one in pool]))
    found["cost"] = {"tokens": tokens, "judgement": cost}
    chooses = {pool[0].problem for pool in halves(pools, seed)[0]}
    afforded, spend_P = at_equal_spend(pools, ns[-1], threshold)
    found["worth"] = {
        **worth(ns, curves_NP, spend_P, [pool[0].problem in chooses for pool in pools], seed=seed),
        "judged": float(np.mean(afforded)),
    }
    found["headline"], found["details"], found["sentence"] = headline(found), details(found), sentence(found)
    return found


def calibration(pools: Sequence[Pool], seed: int) -> dict[str, Any] | None:
    """Reliability in bins of equal mass and the calibration error, before and after a temperature.

    The temperature is fitted on one half of the problems and everything is measured on the other.
    """
    learn = [one for pool in pools[::2] for one in pool]
    held = pools[1::2]
    temperature = fit_temperature(_scores(learn), _outcomes(learn))
    if temperature is None or not held:
        return None

    def error(t: float) -> Callable[[Sequence[Sampled]], float | None]:
        return lambda some: expected_calibration_error(at_temperature(_scores(some), t), _outcomes(some), BINS)

    return {
        "temperature": temperature,
        "before": _plain(_over(held, error(1.0), seed)),
        "after": _plain(_over(held, error(temperature), seed)),
        "bins_before": _bins(held, 1.0, seed),
        "bins_after": _bins(held, temperature, seed),
    }


def _bins(pools: Sequence[Pool], temperature: float, seed: int) -> list[dict[str, Any]]:
    """Mean score and share of right samples in bins of about equally many samples; equal scores share a bin."""
    rows = [(p, one.outcome) for p, pool in enumerate(pools) for one in pool]
    scores = np.array(at_temperature([one.score for pool in pools for one in pool], temperature))
    edges = np.unique(np.quantile(scores, np.arange(1, BINS) / BINS))
    which = np.searchsorted(edges, scores, side="right")
    found = []
    for b in np.unique(which):
        sums, counts = np.zeros(len(pools)), np.zeros(len(pools))
        for i in np.flatnonzero(which == b):
            sums[rows[i][0]] += rows[i][1]
            counts[rows[i][0]] += 1
        share = ratio_interval(sums.tolist(), counts.tolist(), seed=seed)
        found.append({"score": float(scores[which == b].mean()), "n": int(counts.sum()), "right": _plain(share)})
    return found


def _rates(pools: Sequence[Pool], threshold: float, seed: int) -> dict[str, Any]:
    """True and false accept rates at a threshold, and the ceiling of accepting at it."""
    true = _accepts(pools, threshold, True, seed)
    false = _accepts(pools, threshold, False, seed)
    return {
        "threshold": threshold,
        "true_accepts": true,
        "false_accepts": false,
        "ceiling": _plain(mean_interval([_ceiling(pool, threshold) for pool in pools], seed=seed)),
        "ceiling_of_mean": None
        if true is None or false is None
        else verifier_ceiling(float(np.mean([_solve_rate(pool) for pool in pools])), true["y"], false["y"]),
    }


def _ceiling(pool: Pool, threshold: float) -> float:
    """What accepting tends to on one problem; its solve rate if nothing is ever accepted."""
    accepted = [one.outcome for one in pool if one.score >= threshold]
    return sum(accepted) / len(accepted) if accepted else _solve_rate(pool)


def _accepts(pools: Sequence[Pool], threshold: float, right: bool, seed: int) -> dict[str, Any] | None:
    kind = [[one.score >= threshold for one in pool if (one.outcome > 0.5) is right] for pool in pools]
    return _plain(ratio_interval([float(sum(some)) for some in kind], [float(len(some)) for some in kind], seed=seed))


def _within(pools: Sequence[Pool], seed: int) -> dict[str, Any] | None:
    """Mean over problems with both kinds of the AUC inside a problem: difficulty cannot help there."""
    found = [auc(_scores(pool), _outcomes(pool)) for pool in pools]
    return _plain(mean_interval([value for value in found if value is not None], seed=seed))


def _parts(parts: dict[str, list[Pool]], threshold: float, seed: int) -> list[dict[str, Any]]:
    """The same measures for parts of the samples."""
    return [
        {
            "name": name,
            "n": sum(map(len, some)),
            "solve_rate": _plain(mean_interval([_outcomes(pool) for pool in some], seed=seed)),
            "true_accepts": _accepts(some, threshold, True, seed),
            "false_accepts": _accepts(some, threshold, False, seed),
            "auc": _plain(_over(some, lambda items: auc(_scores(items), _outcomes(items)), seed)),
        }
        for name, some in parts.items()
    ]


def _by(pools: Sequence[Pool], name: Callable[[Pool], str]) -> dict[str, list[Pool]]:
    found: dict[str, list[Pool]] = {}
    for pool in pools:
        found.setdefault(name(pool), []).append(pool)
    return dict(sorted(found.items()))


def _rate_name(rate: float) -> str:
    low, high = next((low, high) for low, high in RATES if (low == high == rate) or (low < high and low < rate <= high))
    return "never solved" if high == 0.0 else "always solved" if low == 1.0 else f"solved {low:.0%} to {high:.0%}"


def _by_length(pools: Sequence[Pool]) -> dict[str, list[Pool]]:
    """Samples by quarter of length."""
    edges = np.unique(np.quantile([one.tokens for pool in pools for one in pool], (0.25, 0.5, 0.75)))
    found: dict[str, list[Pool]] = {}
    for q in range(len(edges) + 1):
        some = [[one for one in pool if np.searchsorted(edges, one.tokens) == q] for pool in pools]
        low = 0 if q == 0 else int(edges[q - 1])
        name = f"{low + 1} to {int(edges[q])} tokens" if q < len(edges) else f"over {low} tokens"
        if kept := [pool for pool in some if pool]:
            found[name] = list(kept)
    return found


def _over(pools: Sequence[Pool], statistic: Callable[[Sequence[Sampled]], float | None], seed: int) -> Interval | None:
    return resampled(pools, statistic, seed=seed)


def _solve_rate(pool: Pool) -> float:
    return sum(one.outcome for one in pool) / len(pool)


def _scores(items: Sequence[Sampled]) -> list[float]:
    return [one.score for one in items]


def _outcomes(items: Sequence[Sampled]) -> list[float]:
    return [one.outcome for one in items]


def _plain(interval: Interval | None) -> dict[str, Any] | None:
    return None if interval is None else asdict(interval)
