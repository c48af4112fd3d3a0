"""What `ponder label` prints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.table import Table


def table(summary: Mapping[str, Any]) -> Table:
    """The summary for people: what was labelled, and the errors where the truth is known."""
    spent = f"{summary['rollouts']} rollouts, {summary['spent']:.0f} token-equivalents"
    title = f"{summary['rows']} responses to {summary['problems']} problems, {summary['labels']} labels; {spent}"
    shown = Table(title=title, title_justify="left")
    for column in ("family", "labelled steps", "wrong labels", "bad called good", "good called bad"):
        shown.add_column(column, justify="left" if column == "family" else "right")
    for family, rates in summary["truth"].items():
        steps = str(rates["good_steps"] + rates["bad_steps"])
        cells = [_share(rates[name]) for name in ("error", "false_positives", "false_negatives")]
        shown.add_row(family, steps, *cells)
    return shown


def _share(interval: Mapping[str, float] | None) -> str:
    return "-" if interval is None else f"{interval['y']:.1%} ({interval['low']:.1%} to {interval['high']:.1%})"
