"""What `ponder run --settings` prints: every key that `--set` takes."""

from __future__ import annotations

from typing import Any

from rich.table import Table


def table(settings: list[dict[str, Any]]) -> Table:
    """One row a key: its path, type and default."""
    shown = Table(title="Settings of a run: --set KEY=VALUE, or a TOML file", title_justify="left")
    for column in ("key", "type", "default"):
        shown.add_column(column, overflow="fold")
    for row in settings:
        shown.add_row(row["key"], row["type"], str(row["default"]))
    return shown
