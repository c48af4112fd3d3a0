"""What `ponder eval --suite` prints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.table import Table

NAMES = {"pass": "pass@", "majority": "maj@"}
STEPS = {"cut": "cut 0.5", "crossed": "cut chosen on the other half", "never_wrong": 'always "no error"'}


def table(metrics: Mapping[str, Any]) -> Table:
    """One row a number, with its 95 % interval over problems."""
    if metrics["suite"] == "processbench":
        return _steps(metrics)
    title = (
        f"{metrics['suite']}: {metrics['n']} problems, {metrics['samples']} answers each at temperature "
        f"{metrics['temperature']:g}, {metrics['model']}"
    )
    lost = f"; {metrics['dropped']} problems could not be graded" if metrics["dropped"] else ""
    note = f"{metrics['tokens']:.0f} tokens an answer, {100 * metrics['cut']:.1f} % cut by the limit{lost}"
    shown = Table(title=title, title_justify="left", caption=note, caption_justify="left")
    for column in ("number", "%", "95 % interval"):
        shown.add_column(column, justify="left" if column == "number" else "right")
    for name, found in _rows(metrics):
        shown.add_row(name, f"{100 * found['y']:.1f}", _ends(found))
    return shown


def _rows(metrics: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    k = metrics["largest"]
    yield "pass@1" if k == 1 else f"avg@{k} (pass@1)", metrics["results"]["mean"]
    if k > 1:
        for name, label in NAMES.items():
            if name in metrics["results"]:
                yield f"{label}{k}", metrics["results"][name]
    for name, found in metrics["by"].items():
        yield f"  {name} ({found['n']})", found
    for name, found in metrics.get("constraints", {}).items():
        yield name.replace("_", ", "), found


def _steps(metrics: Mapping[str, Any]) -> Table:
    left = f", {metrics['left_out']} left out: too long" if metrics["left_out"] else ""
    title = f"processbench: {metrics['n']} solutions, {metrics['flawed']} of them flawed{left}"
    shown = Table(title=title, title_justify="left")
    for column in ("first wrong step", "F1", "95 % interval", "on flawed", "on flawless"):
        shown.add_column(column, justify="left" if column == "first wrong step" else "right")
    for key, name in STEPS.items():
        found = metrics[key]
        parts = [found["f1"], found["on_flawed"], found["on_flawless"]]
        f1, flawed, flawless = ("-" if p is None else f"{100 * p['y']:.1f}" for p in parts)
        shown.add_row(name, f1, "-" if found["f1"] is None else _ends(found["f1"]), flawed, flawless)
    return shown


def _ends(found: Mapping[str, Any]) -> str:
    return f"{100 * found['low']:.1f} to {100 * found['high']:.1f}"
