"""Tables of accuracy: one measurement, two or three compared, coverage, decoding, and the problems the base failed.

Two measurements of one suite are paired by problem, so the gain between them has a tighter interval than either.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from ponder.evaluation.intervals import (
    DIFFERENCE,
    SHARE,
    Bounds,
    Interval,
    mean_interval,
    paired_interval,
    stratified_interval,
)
from ponder.evaluation.metrics import pass_at_k
from ponder.evaluation.suite import Scores, Suite
from ponder.types import PonderError

MEAN = "mean"
DIFFERENCES = (
    ("gain", "final", "base"),
    ("control_gain", "control", "base"),
    ("rejection_gain", "rejection", "base"),
    ("over_rejection", "final", "rejection"),
)
Stratum = tuple[str, int | None]  # (family, level); (MEAN, None) is the mean over all others
Row = dict[str, Any]


def rows(scores: Scores, *, seed: int = 0) -> list[Row]:
    """A row {family, level, temperature, n, y, low, high} for each family and level, and their mean (level None)."""
    found = _intervals(scores.suite, [_mean(tries) for tries in scores.tries_P], SHARE, seed)
    return [_names(stratum, scores, interval.n) | _json(interval) for stratum, interval in found.items()]


def compare(
    base: Scores, final: Scores, control: Scores | None = None, rejection: Scores | None = None, *, seed: int = 0
) -> list[Row]:
    """Rows {family, level, temperature, n, base, final, gain} of {y, low, high}; each control adds its own columns.

    `control` (more cloning) adds control and control_gain over the base; `rejection` (fine-tuning on its own right
    answers) adds rejection, rejection_gain over the base and over_rejection, what the final model has beyond it. Every
    cell of a row is of the same problems: those that all arms could grade. Gains are paired differences.
    """
    given = {"base": base, "final": final, "control": control, "rejection": rejection}
    arms = {name: scores for name, scores in given.items() if scores is not None}
    for name, scores in arms.items():
        if scores.suite != base.suite or scores.temperature != base.temperature:
            raise PonderError(f"{name} and base were measured on other problems or temperatures; evaluate them alike")
    graded = [all(tries) for tries in zip(*(scores.tries_P for scores in arms.values()), strict=True)]
    means = {
        name: [_mean(t) if ok else None for t, ok in zip(arms[name].tries_P, graded, strict=True)] for name in arms
    }
    cells = {name: _intervals(base.suite, values, SHARE, seed) for name, values in means.items()}
    for key, after, before in DIFFERENCES:
        if after in means and before in means:
            cells[key] = _intervals(base.suite, _minus(means[after], means[before]), DIFFERENCE, seed)
    return [
        _names(stratum, base, interval.n) | {name: _json(found[stratum]) for name, found in cells.items()}
        for stratum, interval in cells["base"].items()
    ]


def unsolved(base: Scores, final: Scores, tries: int, *, seed: int = 0) -> Row:
    """Of the problems that the base solved in none of its first `tries` tries: who solves them in as many fresh ones.

    Who fails in 16 tries may well succeed in the next 16, so choosing problems by failure and never trying the base
    again would credit training with luck. The base's tries after the first `tries` are fresh; all of the final model's
    are, since its draws chose nothing (they must come from seeds of their own).

    {problems, tries, again, solved_by_base, solved_by_final, gain}: the last three {y, low, high}, or None without a
    problem. `again` is `tries`, or fewer where fewer were drawn; where there are more, pass@again is the unbiased
    estimate. PonderError if the base has no fresh tries at all.
    """
    _refuse_other_problems(base, final)
    if all(len(b) <= tries for b in base.tries_P):
        raise PonderError(f"the base was tried {tries} times a problem or less; draw more, the first {tries} choose")
    parts = [(b[:tries], b[tries:], f) for b, f in zip(base.tries_P, final.tries_P, strict=True)]
    chosen = [(fresh, f) for first, fresh, f in parts if len(first) == tries and not any(first) and fresh and f]
    again = min((min(len(fresh), len(f), tries) for fresh, f in chosen), default=0)
    before, after = ([_covered(pair[arm], again) for pair in chosen] for arm in (0, 1))
    found = {
        "solved_by_base": mean_interval(before, seed=seed),
        "solved_by_final": mean_interval(after, seed=seed),
        "gain": paired_interval(before, after, seed=seed),
    }
    plain = {name: None if interval is None else _json(interval) for name, interval in found.items()}
    return {"problems": len(chosen), "tries": tries, "again": again, **plain}


def coverage(base: Scores, final: Scores, *, seed: int = 0) -> list[Row]:
    """pass@k of both models on the same problems: rows {k, n, base, final, gain}, k the powers of two.

    Training that only makes likely what the base could do already gains at k = 1 and loses at large k (arXiv
    2504.13837). k runs as far as every problem that both could be graded on has tries.
    """
    _refuse_other_problems(base, final)
    graded = [bool(b and f) for b, f in zip(base.tries_P, final.tries_P, strict=True)]
    held = [min(len(b), len(f)) for b, f in zip(base.tries_P, final.tries_P, strict=True) if b and f]
    found: list[Row] = []
    for k in (2**power for power in range(min(held, default=0).bit_length())):
        values = {
            name: [_covered(tries, k) if ok else None for tries, ok in zip(scores.tries_P, graded, strict=True)]
            for name, scores in (("base", base), ("final", final))
        }
        cells = {name: _intervals(base.suite, some, SHARE, seed).get((MEAN, None)) for name, some in values.items()}
        gains = _intervals(base.suite, _minus(values["final"], values["base"]), DIFFERENCE, seed)
        cells["gain"] = gains.get((MEAN, None))
        if all(cells.values()):
            found.append({"k": k, "n": len(held)} | {name: _json(i) for name, i in cells.items() if i is not None})
    return found


def decoding(arms: Mapping[str, Mapping[str, Scores]], *, seed: int = 0) -> list[Row]:
    """The same two models under several ways to draw an answer: rows {way, n, temperatures, base, final, gain}.

    `arms`: "base" and "final", each way -> scores, all on one suite; ways that only one has are left out. A gain at
    temperature 1 is partly what the base would have gained by drawing less freely, so no way stands alone.
    """
    base, final = arms["base"], arms["final"]
    found: list[Row] = []
    for way in (way for way in base if way in final):
        _refuse_other_problems(base[way], final[way])
        values = {name: [_mean(tries) for tries in arms[name][way].tries_P] for name in ("base", "final")}
        graded = [None not in pair for pair in zip(*values.values(), strict=True)]
        kept = {n: [v if ok else None for v, ok in zip(some, graded, strict=True)] for n, some in values.items()}
        cells = {name: _intervals(base[way].suite, some, SHARE, seed) for name, some in kept.items()}
        cells["gain"] = _intervals(base[way].suite, _minus(kept["final"], kept["base"]), DIFFERENCE, seed)
        if (MEAN, None) in cells["base"]:
            means = {name: _json(some[MEAN, None]) for name, some in cells.items()}
            temperatures = {name: arms[name][way].temperature for name in ("base", "final")}
            found.append({"way": way, "n": sum(graded), "temperatures": temperatures, **means})
    return found


def mean_accuracy(scores: Scores) -> float | None:
    """Mean over families and levels of the mean over problems; None if one of them could not be graded."""
    strata: dict[Stratum, list[float]] = {(p.family, p.level): [] for p in scores.suite.problems}
    for problem, tries in zip(scores.suite.problems, scores.tries_P, strict=True):
        if tries:
            strata[problem.family, problem.level].append(sum(tries) / len(tries))
    if not all(strata.values()):
        return None
    return sum(sum(values) / len(values) for values in strata.values()) / len(strata)


def _covered(tries: Sequence[float], k: int) -> float:
    """pass@k of the tries on one problem, of which there are at least k."""
    value = pass_at_k(len(tries), sum(y > 0 for y in tries), k)
    assert value is not None, (len(tries), k)
    return value


def _refuse_other_problems(base: Scores, final: Scores) -> None:
    if base.suite != final.suite:
        raise PonderError("base and final were measured on other problems; evaluate both on the same suite")


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
