"""What `ponder compare` prints: fits 80 columns with two runs."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ponder.reports.compare.runs import Comparison
from ponder.reports.run.tables import Grid


def shown(found: Comparison) -> Group:
    """Both tables."""
    parts: list[RenderableType] = [_table(found.reached, "What was reached, and what it cost")]
    if found.settings is None:
        parts.append(Text("No setting differs."))
    else:
        parts.append(_table(found.settings, "Settings that differ"))
    return Group(*parts)


def _table(grid: Grid, title: str) -> Table:
    table = Table(title=title, title_justify="left")
    for column in grid.columns:
        table.add_column(column, overflow="fold")
    for row in grid.rows:
        table.add_row(*(Text(f"{c.value}\n{c.detail}" if c.detail else c.value) for c in row))
    return table
