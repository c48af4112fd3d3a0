"""Reflection over training and over thinking budget, from the samples that a run kept, with 95 % intervals.

A run keeps what it sampled in RUN/trajectories/round-NNNN.parquet, so nothing is drawn anew and nothing is graded
again. The rule is that of `reflection`; the unit that is resampled is the problem. A family that never goes back has a
share of 0 with the upper end that so many problems allow, and its useful, harmful and idle shares are None, not 0.

A budget is the first tokens of each response, which is what a chain with that limit would have held. Left out: the
curriculum. Later rounds hold harder problems, so a change over rounds is the policy's and the problems' together;
`level` is the mean level of a round's problems.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ponder.evaluation.intervals import ratio_interval
from ponder.evaluation.reflection.reflection import EFFECTS, Reflections, first, of_rows
from ponder.rollout import store

LIMITS = (8, 4, 2, 1)  # reflection is counted in this share of the longest chain: an eighth, a quarter, ...
Row = Mapping[str, Any]


def over_training(run: Path, max_tokens: int | None = None) -> list[dict[str, Any]]:
    """One entry a round, `{"round", "families"}`; empty if the run kept no samples.

    With `max_tokens` (the longest chain of the run) each entry also has `budgets`: `{"tokens", "families"}` for an
    eighth, a quarter, a half and all of it.
    """
    found = []
    for path in sorted((run / "trajectories").glob("round-*.parquet")):
        rows = store.read(path)
        entry = {"round": int(path.stem.removeprefix("round-")), "families": measured(rows)}
        if max_tokens is not None:
            limits = [max_tokens // part for part in LIMITS]
            entry["budgets"] = [{"tokens": n, "families": measured(first(rows, n))} for n in limits]
        found.append(entry)
    return found


def measured(rows: Iterable[Row]) -> dict[str, dict[str, Any]]:
    """By family: counts and shares, the number of problems, their mean level, and an interval for each share."""
    families: dict[str, dict[str, list[Row]]] = {}
    for row in rows:
        families.setdefault(str(row["family"]), {}).setdefault(str(row["problem"]), []).append(row)
    return {family: _family(list(problems.values())) for family, problems in families.items()}


def _family(rows_PG: Sequence[Sequence[Row]]) -> dict[str, Any]:
    counts_P = [sum(of_rows(rows_G).values(), Reflections()) for rows_G in rows_PG]
    levels = [float(rows_G[0]["level"]) for rows_G in rows_PG]
    return {
        **sum(counts_P, Reflections()).as_data(),
        "problems": len(counts_P),
        "level": sum(levels) / len(levels),
        "intervals": {
            "share": _interval([c.reflecting for c in counts_P], [c.steps for c in counts_P]),
            **{
                effect: _interval([getattr(c, effect) for c in counts_P], [c.told for c in counts_P])
                for effect in EFFECTS
            },
        },
    }


def _interval(sums_P: Sequence[int], counts_P: Sequence[int]) -> dict[str, float] | None:
    found = ratio_interval(sums_P, counts_P)
    return None if found is None else asdict(found)
