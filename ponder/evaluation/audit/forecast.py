"""A model of a verifier's scores, fitted on one half of the problems, that predicts the curves of the other half.

    logit(score) = problem + family's gap if the sample is right + answer + sample

Problem effects are taken from problems of like solve rate; answer effects (samples with the same answer look alike
to a verifier, and popular wrong answers better than rare ones or none) and sample effects are drawn from the fitted
ones of the same family and kind. With the solve rates of
a problem's samples that is all a choice by score depends on. Two tests: the forecast for the fitted half against what
the other half shows (independent intervals), and the sharper one with the other half's own outcomes (paired): there
only the scores are predicted. Degenerate: a verifier with two scores has only those in its pools of effects.

Left out: a gap that changes with difficulty inside a family, and answers that come back in several problems.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ponder.evaluation.audit.calibration import Floats
from ponder.evaluation.audit.curves import CHOSEN_BY_SCORE, Pool, Sampled, chosen
from ponder.evaluation.intervals import Interval, mean_interval, paired_interval
from ponder.seeds import derive_seed

REDRAWS = 12
LIKE = 8  # problems of like solve rate from which a problem effect is taken
EDGE = 1e-6
POPULAR = (0.0, 0.06, 0.2)  # shares of a problem's samples from which an answer counts as rare, some, common
Key = tuple[str, bool]  # family, right
Kind = tuple[str, bool, int]  # family, right, how popular the answer is (0: there is no answer)


@dataclass(frozen=True)
class Effects:
    """Effects of a fitted half. By family: problems (name, solve rate, effect) and gap; by class: answers, samples."""

    problems: Mapping[str, list[tuple[str, float, float]]]
    gap: Mapping[str, float]
    answers: Mapping[Kind, Floats]
    samples: Mapping[Key, Floats]


def halves(pools: Sequence[Pool], seed: int) -> tuple[list[Pool], list[Pool]]:
    """Two halves of the problems, every other one of each family in random order."""
    by_family: dict[str, list[Pool]] = {}
    for pool in pools:
        by_family.setdefault(pool[0].family, []).append(pool)
    ordered = [sorted(some, key=lambda p: derive_seed("half", seed, p[0].problem)) for some in by_family.values()]
    return [p for some in ordered for p in some[::2]], [p for some in ordered for p in some[1::2]]


def fit(pools: Sequence[Pool]) -> Effects:
    """The effects, by moments: means of answers' means, then what is left."""
    gap = {family: _gap([p for p in pools if p[0].family == family], pools) for family in {p[0].family for p in pools}}
    problems: dict[str, list[tuple[str, float, float]]] = {}
    answers: dict[Kind, list[float]] = {}
    samples: dict[Key, list[float]] = {}
    for pool in pools:
        family = pool[0].family
        clusters = [(kind, z - gap[family] * kind[1]) for kind, z in _clusters(pool)]
        level = float(np.mean([z.mean() for _, z in clusters]))
        problems.setdefault(family, []).append((pool[0].problem, _rate(pool), level))
        for kind, z in clusters:
            if len(clusters) > 1:  # else the answer is the problem
                wider = math.sqrt(len(clusters) / (len(clusters) - 1))
                answers.setdefault(kind, []).append((float(z.mean()) - level) * wider)
            if len(z) > 1:
                within = (z - z.mean()) * math.sqrt(len(z) / (len(z) - 1))
                samples.setdefault(kind[:2], []).extend(within.tolist())
    return Effects(
        problems, gap, {k: np.array(v) for k, v in answers.items()}, {k: np.array(v) for k, v in samples.items()}
    )


def redrawn(pool: Pool, effects: Effects, rng: np.random.Generator) -> list[float]:
    """Scores that the model gives the samples of a problem, from their outcomes and answers alone."""
    family, rate = pool[0].family, _rate(pool)
    known = [row for row in effects.problems.get(family, []) if row[0] != pool[0].problem]
    like = sorted(known, key=lambda row: abs(row[1] - rate))[:LIKE]
    level = like[rng.integers(len(like))][2] if like else 0.0
    drawn: dict[str, float] = {}
    counts = Counter(one.answer for one in pool)
    scores = []
    for one in pool:
        kind = _kind(one, counts[one.answer] / len(pool))
        effect = drawn.get(one.answer or "")
        if effect is None:
            effect = _one_of(effects.answers.get(kind), rng)
        if one.answer is not None:
            drawn[one.answer] = effect
        z = level + effects.gap.get(family, 0.0) * kind[1] + effect + _one_of(effects.samples.get(kind[:2]), rng)
        scores.append(1 / (1 + math.exp(-max(-30.0, min(30.0, z)))))
    return scores


def curves(pools: Sequence[Pool], ns: Sequence[int], threshold: float, effects: Effects | None, seed: int) -> Any:
    """Accuracy by name and N, one value a problem; by the scores themselves, or by the model's if there is one."""
    found: dict[str, list[list[float]]] = {name: [[] for _ in ns] for name in CHOSEN_BY_SCORE}
    for pool in pools:
        rng = np.random.default_rng(derive_seed("redraw", seed, pool[0].problem))
        real = [[one.score for one in pool]]
        drawn = real if effects is None else [redrawn(pool, effects, rng) for _ in range(REDRAWS)]
        for column, n in enumerate(ns):
            values = [chosen(pool, scores, n, threshold) for scores in drawn]
            for name in CHOSEN_BY_SCORE:
                found[name][column].append(sum(value[name] for value in values) / len(values))
    return found


def forecast(pools: Sequence[Pool], ns: Sequence[int], threshold: float, *, seed: int = 0) -> dict[str, Any]:
    """Predicted and observed curves with intervals, and whether they agree; see the head of this file."""
    first, second = halves(pools, seed)
    effects = fit(first)
    ahead = curves(first, ns, threshold, effects, seed)
    seen = curves(second, ns, threshold, None, seed)
    scored = curves(second, ns, threshold, effects, seed)
    rows = {
        name: [_point(n, ahead[name][i], seen[name][i], scored[name][i], seed) for i, n in enumerate(ns)]
        for name in CHOSEN_BY_SCORE
    }
    points = [point for row in rows.values() for point in row]
    return {
        "problems": [len(first), len(second)],
        "curves": rows,
        "agree": sum(point["agrees"] for point in points),
        "agree_paired": sum(point["agrees_paired"] for point in points),
        "points": len(points),
        "gap": effects.gap,
    }


def _point(n: int, ahead: list[float], seen: list[float], scored: list[float], seed: int) -> dict[str, Any]:
    predicted, observed = _known(mean_interval(ahead, seed=seed)), _known(mean_interval(seen, seed=seed))
    paired = _known(paired_interval(seen, scored, seed=seed))
    apart = predicted.y - observed.y
    # Two independent means: the squares of the half-widths towards each other add up.
    reach = (
        math.hypot(predicted.y - predicted.low, observed.high - observed.y)
        if apart > 0
        else math.hypot(predicted.high - predicted.y, observed.y - observed.low)
    )
    return {
        "n": n,
        "predicted": asdict(predicted),
        "observed": asdict(observed),
        "agrees": abs(apart) <= reach,
        "paired": asdict(paired),
        "agrees_paired": paired.low <= 0.0 <= paired.high,
    }


def _clusters(pool: Pool) -> list[tuple[Kind, Floats]]:
    """Log-odds of the samples of each answer, with its kind. Samples without an answer stand alone."""
    counts = Counter(one.answer for one in pool)
    found: dict[tuple[object, Kind], list[float]] = {}
    for i, one in enumerate(pool):
        score = min(1 - EDGE, max(EDGE, one.score))
        key = i if one.answer is None else one.answer, _kind(one, counts[one.answer] / len(pool))
        found.setdefault(key, []).append(math.log(score) - math.log1p(-score))
    return [(kind, np.array(z)) for (_, kind), z in found.items()]


def _kind(one: Sampled, share: float) -> Kind:
    return one.family, one.outcome > 0.5, 0 if one.answer is None else sum(share > edge for edge in POPULAR)


def _gap(own: Sequence[Pool], everyone: Sequence[Pool]) -> float:
    """Mean over problems with both kinds of how far right answers lie above wrong ones; of all families if none has."""
    found = []
    for pool in own:
        clusters = _clusters(pool)
        right, wrong = ([float(z.mean()) for kind, z in clusters if kind[1] is which] for which in (True, False))
        if right and wrong:
            found.append(float(np.mean(right) - np.mean(wrong)))
    if found:
        return float(np.mean(found))
    return 0.0 if own is everyone else _gap(everyone, everyone)


def _rate(pool: Pool) -> float:
    return sum(one.outcome for one in pool) / len(pool)


def _one_of(values: Floats | None, rng: np.random.Generator) -> float:
    return 0.0 if values is None or not len(values) else float(values[rng.integers(len(values))])


def _known(interval: Interval | None) -> Interval:
    assert interval is not None  # there are problems
    return interval
