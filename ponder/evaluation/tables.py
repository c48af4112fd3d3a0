"""Tables of accuracy: one measurement, two or three compared, and what became of the unsolved.

Two measurements of one suite are paired by problem, so the gain between them has a tighter interval than either.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from ponder.evaluation.intervals import DIFFERENCE, SHARE, Bounds, Interval, mean_interval, stratified_interval
from ponder.evaluation.metrics import pass_at_k
from ponder.evaluation.suite import Scores, Suite
from ponder.types import PonderError

MEAN = "mean"
Stratum = tuple[str, int | None]  # (family, level); (MEAN, None) is the mean over all others
Row = dict[str, Any]


def rows(scores: Scores, *, seed: int = 0) -> list[Row]:
    """A row {family, level, temperature, n, y, low, high} for each family and level, and their mean (level None)."""
    found = _intervals(scores.suite, [_mean(tries) for tries in scores.tries_P], SHARE, seed)
    return [_names(stratum, scores, interval.n) | _json(interval) for stratum, interval in found.items()]


def compare(base: Scores, final: Scores, control: Scores | None = None, *, seed: int = 0) -> list[Row]:
    """Rows {family, level, temperature, n, base, final, gain} of {y, low, high}; with a control also its own two.

    Every cell of a row is of the same problems: those that all arms could grade. Gains are paired differences.
    """
    arms = {"base": base, "final": final} | ({} if control is None else {"control": control})
    for name, scores in arms.items():
        if scores.suite != base.suite or scores.temperature != base.temperature:
            raise PonderError(f"{name} and base were measured on other problems or temperatures; evaluate them alike")
    graded = [all(tries) for tries in zip(*(scores.tries_P for scores in arms.values()), strict=True)]
    means = {
        name: [_mean(t) if ok else None for t, ok in zip(arms[name].tries_P, graded, strict=True)] for name in arms
    }
    cells = {name: _intervals(base.suite, values, SHARE, seed) for name, values in means.items()}
    for arm, key in (("final", "gain"), ("control", "control_gain")):
        if arm in means:
            cells[key] = _intervals(base.suite, _minus(means[arm], means["base"]), DIFFERENCE, seed)
    return [
        _names(stratum, base, interval.n) | {name: _json(found[stratum]) for name, found in cells.items()}
        for stratum, interval in cells["base"].items()
    ]


def unsolved(base: Scores, final: Scores, *, seed: int = 0) -> Row:
    """Of the problems that the base never solved, the share that the final model solves in as many tries.

    {problems, tries, solved_by_final: {y, low, high} or None}. `tries` is the fewest that any of those problems had in
    either arm; where there were more, pass@tries is the unbiased estimate.
    """
    if base.suite != final.suite:
        raise PonderError("base and final were measured on other problems; evaluate both on the same suite")
    pairs = [(b, f) for b, f in zip(base.tries_P, final.tries_P, strict=True) if b and f and not any(b)]
    tries = min((min(len(b), len(f)) for b, f in pairs), default=0)
    solved = [pass_at_k(len(f), sum(y > 0 for y in f), tries) for _, f in pairs]
    found = mean_interval([value for value in solved if value is not None], seed=seed)
    return {"problems": len(pairs), "tries": tries, "solved_by_final": None if found is None else _json(found)}


def _intervals(suite: Suite, values_P: Sequence[float | None], bounds: Bounds, seed: int) -> dict[Stratum, Interval]:
    """An interval for each family and level, and for their mean; None is left out.

    A family of which nothing could be graded has no row, and then there is no mean either: it would be of others.
    """
    strata: dict[Stratum, list[float]] = {(p.family, p.level): [] for p in suite.problems}
    for problem, value in zip(suite.problems, values_P, strict=True):
        if value is not None:
            strata[problem.family, problem.level].append(value)
    found = {stratum: mean_interval(values, seed=seed, bounds=bounds) for stratum, values in strata.items()}
    if all(strata.values()):
        named = {f"{family}/{level}": values for (family, level), values in strata.items()}
        found[MEAN, None] = stratified_interval(named, seed=seed, bounds=bounds)
    return {stratum: interval for stratum, interval in found.items() if interval is not None}


def _mean(tries: Sequence[float]) -> float | None:
    return sum(tries) / len(tries) if tries else None


def _minus(after_P: Sequence[float | None], before_P: Sequence[float | None]) -> list[float | None]:
    return [None if a is None or b is None else a - b for a, b in zip(after_P, before_P, strict=True)]


def _names(stratum: Stratum, scores: Scores, n: int) -> Row:
    return {"family": stratum[0], "level": stratum[1], "temperature": scores.temperature, "n": n}


def _json(interval: Interval) -> Row:
    return {key: value for key, value in asdict(interval).items() if key != "n"}
