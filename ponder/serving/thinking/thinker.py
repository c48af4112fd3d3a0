"""All searches of a server, on one event loop of its own, over one engine: whatever waits joins the next batch.

The loop runs in a thread, so that a long step of the model never keeps a refusal or a health check waiting. Between the
two sides go only `Running` handles.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

from ponder.api.policies import Source
from ponder.protocols import Judge
from ponder.serving.errors import ApiError
from ponder.serving.thinking import work
from ponder.serving.thinking.ask import Ask
from ponder.serving.thinking.bill import Bill
from ponder.serving.thinking.mind import Mind
from ponder.serving.thinking.reply import failed
from ponder.serving.thinking.running import Running

T = TypeVar("T")
_log = logging.getLogger(__name__)


class Thinker(Mind):
    """A mind and the loop on which it thinks. `start` before the first search, `close` at the end."""

    def __init__(self, source: Source, judge: Judge | None, name: str, *, verifier: str | None = None) -> None:
        super().__init__(source, judge, name, verifier=verifier)
        self.running: set[Running] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name="thinking", daemon=True)

    @property
    def alive(self) -> bool:
        """Whether searches are being run."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Begin to run searches."""
        self._thread.start()

    def close(self) -> None:
        """Stop all searches and end the thread."""
        if self._thread.is_alive():
            self.call(self._ended()).result(timeout=60)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(timeout=60)

    def think(self, ask: Ask) -> Running:
        """Begin one search; called on the loop that will wait for it. ApiError 503 if nothing can be run any more."""
        if not self.alive:
            raise _dead()
        running = Running(ask, asyncio.get_running_loop(), self._loop)
        self.running.add(running)
        running.done.add_done_callback(lambda _: self.running.discard(running))
        asyncio.run_coroutine_threadsafe(work.answered(self, ask, running), self._loop)
        return running

    def call(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        """Run something else between two steps of the engine: an update of its weights, for example."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def hurry(self) -> None:
        """End every search with the best that it has."""
        for running in list(self.running):
            running.stop()

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        except BaseException:
            _log.exception("the thinking loop broke; nothing can be asked until the server is started again")
        finally:
            for running in list(self.running):  # nobody waits for what no longer runs
                running.finish(failed(_dead(), Bill(limit=running.ask.budget.tokens), running.ask.strategy))
            self._loop.close()

    async def _ended(self) -> None:
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _dead() -> ApiError:
    return ApiError(503, "the model of this server has stopped; it must be started again", code="engine_down")
