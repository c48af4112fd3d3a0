"""What `ponder eval` prints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.table import Table

from ponder.reports.run import work as used


def table(metrics: dict[str, Any]) -> Table:
    """The results as a table for people."""
    estimated = "" if metrics["engine"]["exact"] else "; tokens are partly estimated"
    title = f"{metrics['n']} {metrics['split']} problems, {metrics['model']}{estimated}{_lost(metrics['results'])}"
    shown = Table(title=title, title_justify="left", caption=used.thinking(metrics), caption_justify="left")
    for column in ("strategy", "budget", "accuracy", "95 % interval", "spent", "seconds"):
        shown.add_column(column, justify="left" if column == "strategy" else "right")
    for row in metrics["results"]:
        found = row["accuracy"]
        accuracy, interval = (
            ("-", "-") if found is None else (f"{found['y']:.1%}", f"{found['low']:.1%} to {found['high']:.1%}")
        )
        spent = "-" if row["spent"] is None else f"{row['spent']:.0f}"
        seconds = "replayed" if row["replayed"] else f"{row['seconds']:.1f}"
        shown.add_row(row["strategy"], f"{row['budget']:g}", accuracy, interval, spent, seconds)
    return shown


def _lost(results: Sequence[dict[str, Any]]) -> str:
    """How many runs were lost, and what the engine said of the first."""
    lost = sum(row["lost"]["runs"] for row in results)
    first = next((error for row in results for error in row["lost"]["errors"]), "")
    return f"; {lost} runs were lost and are left out: {first}" if lost else ""
