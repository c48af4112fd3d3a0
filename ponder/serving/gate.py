"""Who thinks now and who waits: a fixed number of places, a bounded line, and a fair turn for every key.

A free place goes to the key that holds the fewest, among equals to the one that was served longest ago; within a key
the first come is the first served. Whoever cannot be taken is told so at once, with the seconds after which a place is
likely to be free. A request is not let into a line whose wait would eat half of the time that it has.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from ponder.serving.errors import ApiError

_WEIGHT = 0.1  # of the newest request in the mean length of a request
_PATIENCE = 0.5  # the share of its time that a request may be expected to wait
_LONGEST = 60.0  # seconds of a Retry-After


@dataclass
class _Line:
    waiting: deque[asyncio.Future[None]] = field(default_factory=deque)
    running: int = 0
    served: int = 0


class Gate:
    """`places` searches at once, `waiting` requests in line. One event loop."""

    def __init__(self, places: int, waiting: int) -> None:
        self.places, self.most_waiting = places, waiting
        self.closed = False
        self._lines: dict[str, _Line] = {}
        self._turn = itertools.count(1)
        self._mean = 0.0  # seconds of a request; 0: nothing is known yet

    @property
    def running(self) -> int:
        """Requests that hold a place."""
        return sum(line.running for line in self._lines.values())

    @property
    def waiting(self) -> int:
        """Requests in line."""
        return sum(len(line.waiting) for line in self._lines.values())

    @property
    def expected_wait(self) -> float:
        """Seconds that a newcomer would likely wait."""
        if self.running < self.places:
            return 0.0
        return self._mean * (self.waiting + 1) / self.places

    @asynccontextmanager
    async def place(self, key: str, deadline: float, *, most: int | None = None) -> AsyncIterator[None]:
        """A place for one request of `key`, which has `most` places at once and must be answered by `deadline`."""
        await self._enter(key, deadline, most)
        started = time.monotonic()
        try:
            yield
        finally:
            took = time.monotonic() - started
            self._mean = took if not self._mean else (1 - _WEIGHT) * self._mean + _WEIGHT * took
            self._leave(key)

    def close(self) -> None:
        """Take nobody any more, and send those away who wait."""
        self.closed = True
        for line in self._lines.values():
            while line.waiting:
                future = line.waiting.popleft()
                if not future.done():
                    future.set_exception(_closing())

    async def _enter(self, key: str, deadline: float, most: int | None) -> None:
        if self.closed:
            raise _closing()
        line = self._lines.setdefault(key, _Line())
        if most is not None and line.running + len(line.waiting) >= most:
            self._tidy(key)
            raise ApiError(
                429,
                f"this key has {most} requests under way already, which is all that it may have at once",
                code="concurrent_requests",
                wait=self._wait(self._mean),
            )
        if self.running < self.places and not self.waiting:
            self._admit(line)
            return
        wait = self.expected_wait
        if self.waiting >= self.most_waiting or wait > _PATIENCE * (deadline - time.monotonic()):
            self._tidy(key)
            raise ApiError(
                503,
                f"the server is full: {self.running} requests run and {self.waiting} wait",
                code="overloaded",
                wait=self._wait(wait),
            )
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        line.waiting.append(future)
        try:
            await future
        except BaseException:
            if future in line.waiting:
                line.waiting.remove(future)
            elif future.done() and not future.cancelled() and future.exception() is None:
                self._leave(key)  # it was let in at the moment in which it left
            self._tidy(key)
            raise

    def _admit(self, line: _Line) -> None:
        line.running += 1
        line.served = next(self._turn)

    def _leave(self, key: str) -> None:
        self._lines[key].running -= 1
        self._tidy(key)
        while self.running < self.places and (lines := [line for line in self._lines.values() if line.waiting]):
            line = min(lines, key=lambda line: (line.running, line.served))
            future = line.waiting.popleft()
            if not future.done():
                self._admit(line)
                future.set_result(None)

    def _tidy(self, key: str) -> None:
        line = self._lines.get(key)
        if line is not None and not line.running and not line.waiting:
            del self._lines[key]

    def _wait(self, seconds: float) -> float:
        return min(_LONGEST, max(1.0, seconds))


def _closing() -> ApiError:
    return ApiError(503, "the server is ending; ask again in a moment", code="shutting_down", wait=5.0)
