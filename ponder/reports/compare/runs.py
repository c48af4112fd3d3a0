"""What is compared of several runs: what they reached, what it cost, their curves, and the settings that differ."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ponder.reports import formatting as say
from ponder.reports.follow.state import State
from ponder.reports.run.summary_reader import Estimate, Summary, estimate, number, rows, text
from ponder.reports.run.tables import Cell, Grid
from ponder.types import PonderError

ABSENT = "not set"


@dataclass(frozen=True)
class Run:
    """A run by a name of its own among those compared. `summary` is empty while it goes on."""

    name: str
    state: State
    summary: Summary
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class Comparison:
    """`reached` and `settings` have a column a run; `settings` holds only what differs."""

    runs: tuple[Run, ...]
    reached: Grid
    settings: Grid | None

    def as_data(self) -> dict[str, Any]:
        """The tables as lists of rows, for JSON: each row by the names of its columns."""
        tables = {"reached": self.reached, **({"settings": self.settings} if self.settings else {})}
        return {
            name: [{c: _joined(cell) for c, cell in zip(grid.columns, row, strict=True)} for row in grid.rows]
            for name, grid in tables.items()
        }


def comparison(runs: Sequence[Run]) -> Comparison:
    """The tables. Raises PonderError for fewer than two runs."""
    if len(runs) < 2:
        raise PonderError(f"{len(runs)} run to compare: give the folders of two or more")
    names = tuple(run.name for run in runs)
    reached = tuple((Cell(label), *cells) for label, cells in _reached(runs))
    differing = tuple(_differing(runs))
    settings = Grid(("Setting", *names), differing) if differing else None
    return Comparison(tuple(runs), Grid(("", *names), reached), settings)


def named(folders: Sequence[Path]) -> list[str]:
    """A name for each folder: its last part, with as many parts before it as make them differ."""
    parts = [folder.resolve().parts for folder in folders]
    depth = 1
    while depth < max(map(len, parts)) and len({p[-depth:] for p in parts}) < len(parts):
        depth += 1
    return ["/".join(p[-depth:]) for p in parts]


def _reached(runs: Sequence[Run]) -> Iterator[tuple[str, list[Cell]]]:
    """Rows that at least one run has a value for."""
    found: list[tuple[str, list[Cell | None]]] = [
        (
            "Rounds",
            [Cell(f"{r.state.done} of {r.state.total or '?'}", "" if r.state.ended else "goes on") for r in runs],
        ),
        ("Validation accuracy, newest", [_newest(r) for r in runs]),
        ("Validation accuracy, best", [_best(r) for r in runs]),
        *((label, [_mean(r, key, arm) for r in runs]) for label, key, arm in _MEANS),
        ("Gain, each model at its best temperature", [_way(r, "best") for r in runs]),
        (
            "Problems the base failed, solved",
            [_share(estimate(r.summary, "unsolved", "solved_by_final")) for r in runs],
        ),
        (
            "Verifier over the vote, base",
            [_points(estimate(r.summary, "verifier_gain_before", "difference")) for r in runs],
        ),
        ("Verifier over the vote, final", [_points(estimate(r.summary, "verifier_gain", "difference")) for r in runs]),
        ("Verifier AUC, newest round", [_last(r, ("verifier", "auc")) for r in runs]),
        ("Training FLOPs", [_cell(_flops(r), say.power) for r in runs]),
        ("Training time", [_cell(r.state.seconds or None, say.duration) for r in runs]),
        ("Peak memory", [_cell(number(r.summary, "peak_memory_bytes"), say.memory) for r in runs]),
        ("Alarms", [Cell(str(len(r.state.alarms))) for r in runs]),
        ("Revision", [Cell(revision) if (revision := text(r.summary, "revision")) else None for r in runs]),
    ]
    for label, cells in found:
        if any(cell is not None for cell in cells):
            yield label, [cell or Cell(say.NOT_MEASURED) for cell in cells]


_MEANS = (
    ("Test accuracy, base", "accuracy", "base"),
    ("Test accuracy, final", "accuracy", "final"),
    ("Gain at temperature 1", "accuracy", "gain"),
    ("Gain of greedy answers", "greedy", "gain"),
    ("Gain over rejection sampling", "accuracy", "over_rejection"),
    ("Gain one level up", "harder", "gain"),
)


def _mean(run: Run, key: str, arm: str) -> Cell | None:
    """The mean over families of a table of the summary."""
    whole = [row for row in rows(run.summary, key) if text(row, "family") == "mean"]
    found = estimate(whole[-1], arm) if whole else None
    return _share(found) if arm in ("base", "final") else _points(found)


def _way(run: Run, way: str) -> Cell | None:
    chosen = [row for row in rows(run.summary, "decoding") if text(row, "way") == way]
    return _points(estimate(chosen[0], "gain")) if chosen else None


def _newest(run: Run) -> Cell | None:
    points = run.state.series("validation", "mean")
    return Cell(say.percent(points[-1][1]), f"before {say.percent(points[0][1])}") if points else None


def _best(run: Run) -> Cell | None:
    points = [(y, x) for x, y in run.state.series("validation", "mean")]
    return Cell(say.percent(max(points)[0]), f"round {max(points)[1] + 1:.0f}") if points else None


def _last(run: Run, keys: tuple[str, ...]) -> Cell | None:
    points = run.state.series(*keys)
    return Cell(say.plain(points[-1][1])) if points else None


def _flops(run: Run) -> float | None:
    return max((f for row in run.state.rows if (f := number(row, "flops"))), default=None)


def _share(found: Estimate | None) -> Cell | None:
    return None if found is None else Cell(say.percent(found.y), say.bounds(found))


def _points(found: Estimate | None) -> Cell | None:
    return None if found is None else Cell(say.points(found.y), say.points_range(found))


def _cell(value: float | None, how: Any) -> Cell | None:
    return None if value is None else Cell(how(value))


def _differing(runs: Sequence[Run]) -> Iterator[tuple[Cell, ...]]:
    """The settings in which not all runs are the same."""
    flat = [dict(_flat(run.settings)) for run in runs]
    for key in sorted(set().union(*flat)):
        values = [one.get(key, ABSENT) for one in flat]
        if len(set(values)) > 1:
            yield (Cell(key), *map(Cell, values))


def _flat(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value if isinstance(value, str) else json.dumps(value)


def _joined(cell: Cell) -> str:
    return f"{cell.value} ({cell.detail})" if cell.detail else cell.value
