"""A pool of killable worker processes: hostile work in, a result or a typed failure out, always in input order.

Mathematics of unknown origin and other people's generators may hang, eat memory or crash; none of that may touch the
trainer. Each item runs in a worker with a limit on memory, one on processor time and a wider one on the wall clock,
counted from the moment an idle worker gets it; a worker that exceeds one is killed and replaced, and only that item
fails. Processor time is what the item is charged for: on a machine whose cores are taken by something else it may wait,
and is not late.
Failures:

    timeout         the item used more than `seconds` of processor time, or waited or slept `patience` times as long
    memory          it wanted more than `memory` bytes beyond the imports
    crash           the worker died or the function raised
    infrastructure  no worker could be started

Workers start lazily, are replaced after `recycle` items (caches inside libraries grow) or when they died between two
items, and end when the parent's end of the pipe closes, so that even a killed parent leaves nothing behind.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any

# Below two seconds, so that killing and noting it still end within two.
SECONDS = 1.8
# The wall clock may run this many times as long, on a machine with as many processes to each core, before an item that
# uses no processor time counts as hanging. Mathematics never sleeps, so this is a backstop and not a limit to be met.
PATIENCE = 20.0
MEMORY = 500 * 2**20
STARTUP_SECONDS = 120.0
START_ATTEMPTS = 3
# How far results may run ahead of the oldest unfinished item; bounds what is held in memory.
WINDOW = 512


@dataclass(frozen=True, slots=True)
class Result:
    """`value` of one call, or the type of its `failure` (exactly one is set); `seconds` in the worker."""

    value: Any = None
    failure: str | None = None
    detail: str = ""
    seconds: float = 0.0


class Worker:
    """The parent's end of one process."""

    def __init__(self, function: str, seconds: float, memory: int, environment: Mapping[str, str]) -> None:
        limits = [str(memory), str(seconds)]
        command = [sys.executable, "-P", "-m", "ponder.workers.worker", function, *limits]
        path = os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path)
        variables = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", **environment}
        # Its own session: Ctrl-C in a terminal reaches the parent alone, which then ends its workers.
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=variables,
            start_new_session=True,
        )
        self.wall = 0.0
        self.ready = False
        self.served = 0
        self.item: int | None = None
        self.started = time.monotonic()
        self._received = b""

    @property
    def output(self) -> IO[bytes]:
        assert self.process.stdout is not None
        return self.process.stdout

    @property
    def deadline(self) -> float:
        """When to give up on it, on the monotonic clock; never while idle."""
        if not self.ready:
            return self.started + STARTUP_SECONDS
        return self.started + self.wall if self.item is not None else float("inf")

    def give(self, index: int, payload: Any, wall: float) -> None:
        self.item, self.started, self.wall = index, time.monotonic(), wall
        assert self.process.stdin is not None
        # A dead worker shows itself as a closed output, where it is handled.
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps([wall, payload]).encode() + b"\n")
            self.process.stdin.flush()

    def read(self) -> dict[str, Any] | None:
        """One reply if it has wholly arrived; `{"closed": True}` if the process is gone."""
        data = os.read(self.output.fileno(), 65536)
        if not data:
            return {"closed": True}
        self._received += data
        line, newline, rest = self._received.partition(b"\n")
        if not newline:
            return None
        self._received = rest
        reply: dict[str, Any] = json.loads(line)
        return reply

    def out_of_time(self) -> bool:
        """Whether the kernel ended it because its processor time was used up; asked when its output has closed."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.process.wait(timeout=1.0) == -signal.SIGPROF
        return False

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()


class Pool:
    """Up to `workers` processes that call `function` ("package.module:name", JSON in, JSON out).

    `environment` are variables that they have beside this process's own.
    """

    def __init__(
        self,
        function: str,
        *,
        workers: int = 1,
        seconds: float = SECONDS,
        patience: float = PATIENCE,
        memory: int = MEMORY,
        recycle: int = 2000,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.function, self.workers, self.memory, self.recycle = function, max(1, workers), memory, recycle
        self.seconds, self.wall = seconds, seconds * patience
        self.environment = dict(environment or {})
        self._alive: list[Worker] = []
        self._selector = selectors.DefaultSelector()
        self._failed_starts = 0
        self._start_error = ""

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End every worker. The pool may be used again; it then starts new ones."""
        for worker in list(self._alive):
            self._remove(worker)

    def map(self, payloads: Iterable[Any], *, wall: float | None = None) -> Iterator[Result]:
        """A result for each payload, in order, as soon as it and all before it are there. Reads `payloads` lazily.

        `wall` replaces the limit on the wall clock for these items. If the caller stops early, the workers still at
        work are killed. One `map` at a time.
        """
        todo = enumerate(payloads)
        following = next(todo, None)
        done: dict[int, Result] = {}
        turn, limit = 0, self.wall if wall is None else wall
        try:
            while following is not None or done or self._busy():
                while following is not None and following[0] - turn < WINDOW and (worker := self._idle()):
                    worker.give(*following, limit)
                    following = next(todo, None)
                if following is not None and self._failed_starts >= START_ATTEMPTS and not self._alive:
                    done[following[0]] = Result(failure="infrastructure", detail=self._start_error)
                    following = next(todo, None)
                elif turn not in done:
                    done.update(self._wait())
                while turn in done:
                    yield done.pop(turn)
                    turn += 1
        finally:
            for worker in self._busy():
                self._remove(worker)

    def _busy(self) -> list[Worker]:
        return [worker for worker in self._alive if worker.item is not None]

    def _idle(self) -> Worker | None:
        """A worker that waits for work; else start one, if there is room, for a later turn."""
        for worker in list(self._alive):
            if worker.ready and worker.item is None:
                if worker.process.poll() is None:
                    return worker
                self._remove(worker)
        if len(self._alive) < self.workers and self._failed_starts < START_ATTEMPTS:
            self._start()
        return None

    def _start(self) -> None:
        try:
            worker = Worker(self.function, self.seconds, self.memory, self.environment)
        except OSError as error:
            self._failed_starts, self._start_error = self._failed_starts + 1, f"cannot start a worker: {error}"
            return
        self._alive.append(worker)
        self._selector.register(worker.output, selectors.EVENT_READ, worker)

    def _remove(self, worker: Worker) -> None:
        self._alive.remove(worker)
        self._selector.unregister(worker.output)
        worker.kill()

    def _wait(self) -> dict[int, Result]:
        """Wait for a reply or a deadline, whichever comes first, and settle what is over."""
        if not self._alive:
            return {}
        over: dict[int, Result] = {}
        nearest = min(worker.deadline for worker in self._alive)
        timeout = None if nearest == float("inf") else max(0.0, nearest - time.monotonic())
        for key, _ in self._selector.select(timeout):
            worker: Worker = key.data
            reply = worker.read()
            if reply is not None:
                over.update(self._settle(worker, reply))
        now = time.monotonic()
        for worker in [worker for worker in self._alive if worker.deadline <= now]:
            over.update(self._settle(worker, {"late": f"{worker.wall:g} s"}))
        return over

    def _settle(self, worker: Worker, reply: dict[str, Any]) -> dict[int, Result]:
        """Note what a reply, a death or a missed deadline means, and replace the worker where it must be."""
        if "ready" in reply:
            worker.ready, self._failed_starts = True, 0
            return {}
        if not worker.ready:
            self._failed_starts += 1
            self._start_error = reply.get("detail", "a worker did not start")
            self._remove(worker)
            return {}
        item, seconds = worker.item, time.monotonic() - worker.started
        worker.item, worker.served = None, worker.served + 1
        if "closed" in reply and worker.out_of_time():
            reply = {"late": f"{self.seconds:g} s of processor time"}
        gone = "closed" in reply or "late" in reply or reply.get("failure") == "memory"
        if gone or worker.served >= self.recycle:
            self._remove(worker)
            self._start()  # now, so that its imports run while others work
        return {} if item is None else {item: self._result(reply, seconds)}

    def _result(self, reply: dict[str, Any], seconds: float) -> Result:
        if "late" in reply:
            return Result(failure="timeout", detail=f"no verdict within {reply['late']}", seconds=seconds)
        if "closed" in reply:
            return Result(failure="crash", detail="the worker died", seconds=seconds)
        if "failure" in reply:
            return Result(failure=reply["failure"], detail=reply["detail"], seconds=seconds)
        return Result(value=reply["value"], seconds=seconds)
