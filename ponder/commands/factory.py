"""What `ponder factory make` prints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from rich.table import Table


def table(summary: Mapping[str, Any]) -> Table:
    """Chains by method, and what was not made, with the reasons."""
    title = f"{summary['chains']} chains from {summary['tokens']:.0f} generated tokens"
    shown = Table(title=title, title_justify="left")
    shown.add_column("chains")
    shown.add_column("number", justify="right")
    for method, count in summary["by_method"].items():
        shown.add_row(method, str(count))
    lost: Counter[str] = Counter()
    for row in summary["rounds"]:
        lost.update({f"refused, {name}": count for name, count in row["refused"].items()})
        lost.update({f"none made: {name}": count for name, count in row["why_none"].items()})
    for name, count in lost.most_common():
        shown.add_row(f"[dim]{name}[/]", f"[dim]{count}[/]")
    return shown
