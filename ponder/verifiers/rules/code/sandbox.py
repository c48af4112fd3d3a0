"""Many runs at once: threads that start boxes, each with its own tester and control group.

The threads live as long as the sandbox, because a box dies with the thread that started it and begins in that thread's
control group; so boxes are started there and nowhere else. Results come in the order of the jobs, and only a window of
jobs is taken ahead.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from types import TracebackType
from typing import TypeVar

from ponder.verifiers.rules.code.boxes.box import Box
from ponder.verifiers.rules.code.boxes.cgroups import Group
from ponder.verifiers.rules.code.functions import TESTER, Tester, run_function
from ponder.verifiers.rules.code.isolation import Isolation, require, settle, with_packages
from ponder.verifiers.rules.code.limits import Cause, Ended, Ending, Limits
from ponder.verifiers.rules.code.programs import run_once, run_program
from ponder.verifiers.rules.code.tasks import FunctionTask, Task

_AHEAD = 4  # jobs taken for each worker
# What a box may use beyond the candidate's own memory: the interpreter's files, page tables, its pipes.
_OVERHEAD = 64 * 2**20

Job = TypeVar("Job")
Done = TypeVar("Done")


@dataclass
class _Bench:
    """One place of work."""

    tester: Tester
    group: Group | None


class Sandbox:
    """Runs programs in boxes, `workers` at a time. Close it to leave nothing behind."""

    def __init__(
        self,
        *,
        workers: int = 1,
        limits: Limits | None = None,
        allow_unsafe: bool = False,
        packages: tuple[str, ...] | None = None,
    ) -> None:
        """Raises PonderError where code cannot be isolated, unless `allow_unsafe`.

        `packages` are the installed distributions that programs and tests may import; None takes those of
        `PONDER_CODE_PACKAGES` (names with commas between them).
        """
        self.isolation: Isolation = with_packages(require(allow_unsafe), packages)
        self.limits = limits or Limits()
        self._workers = max(1, workers)
        self._threads = ThreadPoolExecutor(self._workers, "ponder-box", initializer=self._settle)
        self._here = threading.local()
        self._benches: list[_Bench] = []
        self._running: set[Box] = set()
        self._stopping = False

    def _settle(self) -> None:
        """What a new thread of ours begins with."""
        settle(self.isolation.place)
        group = self._group()
        bench = _Bench(Tester(lambda: self._tester_box(group)), group)
        self._here.bench = bench
        self._benches.append(bench)

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End what runs, then the testers, the threads and the control groups."""
        self._stopping = True
        self.interrupt()
        self._threads.shutdown(wait=True, cancel_futures=True)
        for bench in self._benches:
            bench.tester.close()
            if bench.group is not None:
                bench.group.close()

    def interrupt(self) -> None:
        """End all runs that are under way; their results are failures."""
        for box in list(self._running):
            box.interrupt()

    def map(self, function: Callable[[Job], Done], jobs: Iterable[Job]) -> Iterator[Done]:
        """`function` of each job on the sandbox's threads, in order. Leaving early ends what runs."""
        waiting: deque[Future[Done]] = deque()
        try:
            for job in jobs:
                waiting.append(self._threads.submit(function, job))
                while len(waiting) > _AHEAD * self._workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            if waiting:
                for future in waiting:
                    future.cancel()
                self.interrupt()

    def run(self, task: Task, code: str) -> Ending:
        """One program against one task, in as many fresh boxes as the task needs."""
        if len(code) > self.limits.source:
            return self._too_long(code)
        bench: _Bench | None = getattr(self._here, "bench", None)
        if bench is None:
            return self._threads.submit(self.run, task, code).result()
        boxes: list[Box] = []
        try:
            if isinstance(task, FunctionTask):
                return run_function(lambda: self._box(bench, boxes), bench.tester, task, code)
            return run_program(lambda source: self._box(bench, boxes, source), task, code)
        except Ended as error:
            return error.ending
        except OSError as error:
            return Ending(Cause.INFRASTRUCTURE, f"no box could be started: {error}")
        finally:
            self._running.difference_update(boxes)

    def output_of(self, code: str, given: str = "") -> tuple[Ending, str]:
        """Run one program in a fresh box: how it ended (right: with status 0), and what it printed until then."""
        if len(code) > self.limits.source:
            return Ending(
                Cause.REFUSED, f"a program of {len(code)} characters; at most {self.limits.source} are taken"
            ), ""
        bench: _Bench | None = getattr(self._here, "bench", None)
        if bench is None:
            return self._threads.submit(self.output_of, code, given).result()
        boxes: list[Box] = []
        try:
            return run_once(lambda source: self._box(bench, boxes, source), given, code)
        except Ended as error:
            return error.ending, ""
        except OSError as error:
            return Ending(Cause.INFRASTRUCTURE, f"no box could be started: {error}"), ""
        finally:
            self._running.difference_update(boxes)

    def _too_long(self, code: str) -> Ending:
        return Ending(Cause.REFUSED, f"a program of {len(code)} characters; at most {self.limits.source} are taken")

    def _box(self, bench: _Bench, boxes: list[Box], source: int | None = None) -> Box:
        if self._stopping:
            raise Ended(Cause.INFRASTRUCTURE, "the sandbox is closing")
        box = Box(self.isolation.place, self.limits, bench.group, stdin=source)
        self._running.add(box)
        boxes.append(box)
        return box

    def _tester_box(self, group: Group | None) -> Box:
        """Outside of the group: its memory is not the candidate's."""
        if group is not None:
            group.leave()
        try:
            return Box(replace(self.isolation.place, fork=True), TESTER)
        finally:
            if group is not None:
                group.enter()

    def _group(self) -> Group | None:
        if self.isolation.groups is None:
            return None
        version, parents = self.isolation.groups
        try:
            group = Group(version, parents, self.limits.memory + self.limits.disk + _OVERHEAD, self.limits.threads + 8)
        except OSError:
            return None
        try:
            group.enter()
        except OSError:
            group.close()
            return None
        return group
