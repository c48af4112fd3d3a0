"""Grading that goes on while the engine generates.

A trajectory is handed over when it is finished and waits in a queue. One thread calls the grader, which is plain code
and may take long, with all that waits (at most `BATCH`), while the event loop samples the others. How trajectories
fall into calls depends on time, so nothing else may: verdicts come back to those who asked, a call that raised is made
again for each of its trajectories alone, and only the one at fault fails.

    infrastructure  the grader raised on this trajectory
    deadline        a call took longer than `seconds`; the grader is then given up, and all that waits fails likewise

A `PonderError` of the grader is something to act on and ends the collection; so does a grader that never once worked.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import SimpleQueue
from types import TracebackType
from typing import ClassVar

from ponder.protocols import Grade, grade_responses
from ponder.thinking import Reading, graded_text
from ponder.types import PonderError, Problem, StopReason, Trajectory, Verdict

BATCH = 128
BROKEN_TOOL = Verdict(failure="tool", detail="a tool that the policy called broke, so the answer was never finished")
# A backstop: 128 answers that each sleep as long as the workers of mathematics let them (36 s), on three workers.
SECONDS = 1800.0
_TURNS = 4  # turns of the event loop that a call waits for trajectories that finish at the same time


def graded(
    grade: Grade, problems: Sequence[Problem], trajectories: Sequence[Trajectory], *, read: Reading = graded_text
) -> list[Verdict]:
    """Grade the last turns of trajectories in one call; the grader hears which of them were cut, if it listens.

    `read` gives the text of a trajectory as the grader is to read it (`thinking.reading_of`). An answer that a broken
    tool ended is not graded: its verdict is the failure "tool".
    """
    asked = [(p, t) for p, t in zip(problems, trajectories, strict=True) if t.stop is not StopReason.TOOL]
    texts = [read(trajectory) for _, trajectory in asked]
    said = iter(grade_responses(grade, [p for p, _ in asked], texts, [t.finished for _, t in asked]) if asked else ())
    return [BROKEN_TOOL if t.stop is StopReason.TOOL else next(said) for t in trajectories]


class Grading:
    """A grader beside an event loop. Use it as an asynchronous context manager, inside one event loop."""

    def __init__(
        self, grade: Grade, *, seconds: float = SECONDS, batch: int = BATCH, read: Reading = graded_text
    ) -> None:
        if not seconds > 0:
            raise PonderError(f"grading within {seconds} s: give a positive number of seconds for one call")
        self._grade, self._seconds, self._batch, self._read = grade, seconds, batch, read
        self._waiting: deque[tuple[Problem, Trajectory, asyncio.Future[Verdict]]] = deque()
        self._pump: asyncio.Task[None] | None = None
        self._thread: _Thread | None = None
        self._late: Verdict | None = None
        self._worked = False
        self._error: Exception | None = None

    async def __aenter__(self) -> Grading:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        if self._pump is not None and not self._pump.done():
            self._pump.cancel()
            if self._thread is not None:
                self._thread.retire()
        elif self._thread is not None:
            self._thread.release()
        if error is None and self._error is not None and not self._worked:
            raise self._error

    def close(self) -> None:
        """Give the thread back between calls, where this was not entered as a context; it may be asked again."""
        if self._thread is not None:
            self._thread.release()
            self._thread = None

    async def verdict(self, problem: Problem, trajectory: Trajectory) -> Verdict:
        """The verdict on the last turn of `trajectory`; what goes wrong with it is the verdict's failure."""
        if self._late is not None:
            return self._late
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Verdict] = loop.create_future()
        self._waiting.append((problem, trajectory, future))
        if self._pump is None or self._pump.done():
            self._pump = loop.create_task(self._run())
        return await future

    async def _run(self) -> None:
        while self._waiting:
            for _ in range(_TURNS):
                await asyncio.sleep(0)
            asked = [self._waiting.popleft() for _ in range(min(self._batch, len(self._waiting)))]
            futures = [future for *_, future in asked]
            try:
                verdicts = await self._verdicts([p for p, *_ in asked], [t for _, t, _ in asked])
            except PonderError as error:
                for future in [*futures, *(future for *_, future in self._waiting)]:
                    _settle(future, error)
                self._waiting.clear()
                return
            for future, verdict in zip(futures, verdicts, strict=True):
                _settle(future, verdict)

    async def _verdicts(self, problems: Sequence[Problem], trajectories: Sequence[Trajectory]) -> list[Verdict]:
        """One call, and if that raised one for each trajectory."""
        if self._late is not None:
            return [self._late] * len(problems)
        try:
            verdicts = await self._called(problems, trajectories)
        except PonderError:
            raise
        except Exception as error:  # whatever a grader does must end as a typed failure of what it was asked
            if len(problems) == 1:
                self._error = self._error or error
                return [Verdict(failure="infrastructure", detail=f"the grader raised {type(error).__name__}: {error}")]
            pairs = zip(problems, trajectories, strict=True)
            return [verdict for p, t in pairs for verdict in await self._verdicts([p], [t])]
        self._worked = self._worked or self._late is None
        return verdicts

    async def _called(self, problems: Sequence[Problem], trajectories: Sequence[Trajectory]) -> list[Verdict]:
        if self._thread is None:
            self._thread = _Thread.take()
        future = self._thread.call(lambda: graded(self._grade, problems, trajectories, read=self._read))
        await asyncio.wait([future], timeout=self._seconds)
        if future.done():
            return future.result()
        self._thread.retire()
        self._thread = None
        self._late = Verdict(failure="deadline", detail=f"the grader did not answer a call within {self._seconds:g} s")
        return [self._late] * len(problems)


def _settle(future: asyncio.Future[Verdict], result: Verdict | Exception) -> None:
    if future.done():  # who asked was cancelled
        return
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)


class _Thread:
    """A thread that makes one call after the other. It never keeps the process from ending, and is used again.

    Not `asyncio.to_thread`: its threads are waited for at the end, so a grader that hangs would hang the process. Used
    again, because a child process may be tied to the thread that started it (`bwrap --die-with-parent`).
    """

    _idle: ClassVar[list[_Thread]] = []

    def __init__(self) -> None:
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        threading.Thread(target=self._serve, daemon=True, name="ponder grading").start()

    @classmethod
    def take(cls) -> _Thread:
        try:
            return cls._idle.pop()
        except IndexError:
            return cls()

    def release(self) -> None:
        """Wait for the next user."""
        self._idle.append(self)

    def retire(self) -> None:
        """End after the present call. Nobody can end it before; what it still says is not heard."""
        self._calls.put(None)

    def call(self, function: Callable[[], list[Verdict]]) -> asyncio.Future[list[Verdict]]:
        """`function` in this thread; its result or its exception reaches the loop that calls now."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[list[Verdict]] = loop.create_future()

        def heard(result: list[Verdict] | None, error: Exception | None) -> None:
            if future.done():
                return
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(result or [])

        def work() -> None:
            result, error = None, None
            try:
                result = function()
            except Exception as raised:
                error = raised
            with suppress(RuntimeError):  # the loop has closed meanwhile: nobody listens any more
                loop.call_soon_threadsafe(heard, result, error)

        self._calls.put(work)
        return future

    def _serve(self) -> None:
        while (work := self._calls.get()) is not None:
            work()
