"""A search that runs on the thinking loop, as the other side sees it: its progress, its end, and two ways to end it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal

from ponder.serving.thinking.ask import Ask
from ponder.serving.thinking.reply import Reply

Wish = Literal["stop", "cancel"]


@dataclass(frozen=True)
class Progress:
    """How a search stands. `nodes` are those that are new or changed since the last time, as plain data."""

    summary: str
    spent: float
    limit: float
    answers: tuple[tuple[str, int, float | None], ...] = ()
    nodes: tuple[dict[str, Any], ...] = ()


@dataclass(eq=False)
class Running:
    """`done` is fulfilled on the caller's loop and never fails: what went wrong is in the reply, with the bill.

    At most one `Progress` waits to be taken; what comes meanwhile is merged into it, so a slow reader costs no memory
    beyond the tree itself.
    """

    ask: Ask
    loop: asyncio.AbstractEventLoop
    worker: asyncio.AbstractEventLoop
    done: asyncio.Future[Reply] = field(init=False)
    wish: Wish | None = None
    task: asyncio.Task[Any] | None = None
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _pending: Progress | None = None

    def __post_init__(self) -> None:
        self.done = self.loop.create_future()

    def stop(self) -> None:
        """End the search as its deadline would: the best so far is the answer."""
        self._wish("stop")

    def cancel(self) -> None:
        """End the search for nobody listens any more. The reply comes all the same, for its bill."""
        self._wish("cancel")

    async def progress(self) -> Progress | None:
        """What is new; None once the search has ended."""
        waiting: asyncio.Future[Any] = asyncio.ensure_future(self._news.wait())
        try:
            await asyncio.wait(self._either(waiting), return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        if not self._news.is_set():
            return None
        self._news.clear()
        found, self._pending = self._pending, None
        return found

    def _either(self, waiting: asyncio.Future[Any]) -> set[asyncio.Future[Any]]:
        return {waiting, self.done}

    def tell(self, progress: Progress) -> None:
        """From the thinking loop: how the search stands now."""
        self._soon(self._take, progress)

    def finish(self, reply: Reply) -> None:
        """From the thinking loop: the end."""
        self._soon(self._fulfil, reply)

    def _soon(self, what: Any, *given: Any) -> None:
        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(what, *given)

    def _take(self, progress: Progress) -> None:
        before = self._pending
        if before is not None:
            merged = {node["id"]: node for node in (*before.nodes, *progress.nodes)}
            progress = Progress(
                progress.summary, progress.spent, progress.limit, progress.answers, tuple(merged.values())
            )
        self._pending = progress
        self._news.set()

    def _fulfil(self, reply: Reply) -> None:
        if not self.done.done():
            self.done.set_result(reply)

    def _wish(self, wish: Wish) -> None:
        def on_worker() -> None:
            if self.wish != "cancel":
                self.wish = wish
            if self.task is not None:
                self.task.cancel()

        with suppress(RuntimeError):  # the thinking loop is closed: nothing runs any more
            self.worker.call_soon_threadsafe(on_worker)
