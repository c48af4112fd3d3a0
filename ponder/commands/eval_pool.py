"""What `ponder eval --pool` prints."""

from __future__ import annotations

from typing import Any

from rich.table import Table

NAMES = {
    "mean": "one sample",
    "majority": "majority",
    "best_of_n": "best by score",
    "weighted_vote": "score-weighted vote",
    "pass": "any right (pass@N)",
}


def table(metrics: dict[str, Any]) -> Table:
    """The summary and the curves for people: one column a measure, one row an N."""
    shown = Table(title=f"{metrics['n']} problems of {metrics['pool']}, accuracy in %", title_justify="left")
    names = [name for name in NAMES if name in metrics["curves"]]
    for column in ("N", *(NAMES[name] for name in names)):
        shown.add_column(column, justify="right")
    for points in zip(*(metrics["curves"][name] for name in names), strict=True):
        shown.add_row(str(points[0]["N"]), *(_cell(point) for point in points))
    return shown


def _cell(point: dict[str, Any]) -> str:
    if point["y"] is None:
        return "not measured"
    return f"{100 * point['y']:.1f} ({100 * point['low']:.1f} to {100 * point['high']:.1f})"
