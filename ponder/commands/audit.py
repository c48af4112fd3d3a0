"""What `ponder verifier audit` prints."""

from __future__ import annotations

from typing import Any

from rich.console import Group as Lines
from rich.table import Table
from rich.text import Text


def shown(found: dict[str, Any]) -> Lines:
    """For people: the sentence, the rates, the curves."""
    rates = Table(title="Against ground truth, 95 % intervals over problems", title_justify="left")
    for column in ("accepts from", "true accepts", "false accepts", "ceiling"):
        rates.add_column(column, justify="right")
    for row in found["rates"]:
        cells = [_cell(row[name]) for name in ("true_accepts", "false_accepts", "ceiling")]
        rates.add_row(f"{row['threshold']:g}", *cells)
    curves = Table(title="Accuracy: forecast from one half of the problems / seen on the other", title_justify="left")
    curves.add_column("N", justify="right")
    for name in found["forecast"]["curves"]:
        curves.add_column(name.replace("_", " "), justify="right")
    for points in zip(*found["forecast"]["curves"].values(), strict=True):
        curves.add_row(str(points[0]["n"]), *(f"{p['predicted']['y']:.1%} / {p['observed']['y']:.1%}" for p in points))
    return Lines(Text(found["sentence"], style="bold"), "", rates, curves)


def _cell(interval: dict[str, Any] | None) -> str:
    if interval is None:
        return "not measured"
    return f"{interval['y']:.1%} ({interval['low']:.1%} to {interval['high']:.1%})"
