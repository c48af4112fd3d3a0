"""An event loop in a thread of its own: what must go on while the caller computes, or has no loop at all.

A run asks its engines from a new event loop each time, and computes gradients in between. Signs of life, results and
restarts need a loop that lasts.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from concurrent.futures import TimeoutError as Late
from typing import Any, TypeVar

from ponder.types import PonderError

T = TypeVar("T")


class Background:
    """A running loop. `close` stops it; what still runs on it is cancelled."""

    def __init__(self, name: str) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True, name=name)
        self._thread.start()

    def run(self, coroutine: Coroutine[Any, Any, T], seconds: float, what: str) -> T:
        """From plain code: the result, or PonderError if it is not there within `seconds`."""
        future = asyncio.run_coroutine_threadsafe(coroutine, self.loop)
        try:
            return future.result(seconds)
        except Late:
            if future.done():  # a TimeoutError of its own
                raise
            future.cancel()
            raise PonderError(f"{what}: not done within {seconds:g} s") from None

    async def here(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """From a coroutine of another loop."""
        future: Future[T] = asyncio.run_coroutine_threadsafe(coroutine, self.loop)
        return await asyncio.wrap_future(future)

    def soon(self, function: Callable[..., object], *arguments: Any) -> None:
        """Call `function` on the loop; from any thread."""
        self.loop.call_soon_threadsafe(function, *arguments)

    def close(self) -> None:
        if self.loop.is_closed():
            return

        async def end() -> None:
            tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(end(), self.loop).result(30.0)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(30.0)
        self.loop.close()
