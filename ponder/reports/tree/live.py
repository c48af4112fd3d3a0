"""A search while it runs: a frame in place on a terminal, one line a tenth of the budget elsewhere, or nothing.

All is drawn in the thread of the search, between its steps, so no lock is needed. A frame that took long is followed by
nine times as long without one: looking costs the search at most a tenth of its time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from types import TracebackType
from typing import Protocol

from rich.console import Console
from rich.live import Live

from ponder.reports.tree import terminal
from ponder.reports.tree.data import SearchTree

Snapshot = Callable[[], SearchTree]
_EVERY = 0.2  # seconds between two looks


class View(Protocol):
    """Where a search is watched; a context manager."""

    def show(self, tree: SearchTree) -> None: ...

    def __enter__(self) -> View: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class LiveView:
    """Drawn in place and wiped at the end, when the outcome is printed instead."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False, transient=True)

    def show(self, tree: SearchTree) -> None:
        width, height = self._console.size
        self._live.update(terminal.frame(tree, width - 1, height - 1), refresh=True)

    def __enter__(self) -> View:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()


class PlainView:
    """A line each time another tenth of the budget is gone or the best answer is another one."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._last: tuple[int, str | None] = (0, None)

    def show(self, tree: SearchTree) -> None:
        now = (int(10 * tree.usage.spent / tree.budget), tree.answer)
        if now != self._last:
            self._last = now
            self._console.print(terminal.line(tree), markup=False, highlight=False, soft_wrap=True)

    def __enter__(self) -> View:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass


def view(console: Console, quiet: bool = False) -> View | None:
    """The view that fits `console`; None if nothing is to be shown."""
    if quiet:
        return None
    return LiveView(console) if console.is_terminal and not console.is_dumb_terminal else PlainView(console)


async def follow(snapshot: Snapshot, shown: View, every: float = _EVERY) -> None:
    """Show the search again and again until this task is cancelled."""
    while True:
        started = time.monotonic()
        shown.show(snapshot())
        await asyncio.sleep(max(every, 9 * (time.monotonic() - started)))
