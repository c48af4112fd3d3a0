"""What `ponder list` prints."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from ponder.catalogue import Entry

NARROW = 100  # columns; with fewer, five columns side by side would be a few letters wide each


def table(what: str, entries: Sequence[Entry], width: int) -> Table:
    """One row an entry: name, what it is, needs, source, settings with type and default.

    In a window of fewer than `NARROW` columns what follows the name stands below each other.
    """
    if width < NARROW:
        return _narrow(what, entries)
    shown = Table(title=what.capitalize(), title_justify="left")
    for column in ("name", "what it is", "needs", "source", "settings"):
        shown.add_column(column, overflow="fold")
    for entry in entries:
        settings = "\n".join(_settings(entry))
        shown.add_row(entry.name, entry.summary, ", ".join(entry.needs), entry.source, settings)
    return shown


def _narrow(what: str, entries: Sequence[Entry]) -> Table:
    shown = Table(title=what.capitalize(), title_justify="left", show_header=False, show_lines=True)
    shown.add_column("name", no_wrap=True)
    shown.add_column("what it is", overflow="fold")
    for entry in entries:
        lines = [entry.summary]
        lines += [f"needs: {', '.join(entry.needs)}"] if entry.needs else []
        lines += [f"source: {entry.source}"] if entry.source else []
        lines += [f"settings: {', '.join(_settings(entry))}"] if entry.settings else []
        shown.add_row(entry.name, "\n".join(lines))
    return shown


def _settings(entry: Entry) -> list[str]:
    return [
        f"{s.name}: {s.type}"
        if s.required
        else f"{s.name}: {s.type} = {s.default}"
        if s.type
        else f"{s.name}={s.default}"
        for s in entry.settings
    ]
