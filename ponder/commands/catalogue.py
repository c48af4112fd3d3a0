"""What `ponder list` prints."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from ponder.catalogue import Entry


def table(what: str, entries: Sequence[Entry]) -> Table:
    """One row an entry: name, what it is, needs, source, settings with type and default."""
    shown = Table(title=what.capitalize(), title_justify="left")
    for column in ("name", "what it is", "needs", "source", "settings"):
        shown.add_column(column, overflow="fold")
    for entry in entries:
        settings = "\n".join(
            f"{s.name}: {s.type}"
            if s.required
            else f"{s.name}: {s.type} = {s.default}"
            if s.type
            else f"{s.name}={s.default}"
            for s in entry.settings
        )
        shown.add_row(entry.name, entry.summary, ", ".join(entry.needs), entry.source, settings)
    return shown
