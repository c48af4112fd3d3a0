"""Progress for people, on the error stream so that --json stays clean: bars on a terminal, plain lines in a file.

On a terminal there is one bar a stage; where the window is narrow the note is cut and never the counter or the time
left. In a file or a pipe there is one line for each step of a stage, and one every 15 seconds while nothing moves.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from types import TracebackType
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn
from rich.table import Column
from rich.text import Text

from ponder.commands.terminal import Terminal
from ponder.printable import printable

HEARTBEAT_SECONDS = 15.0
_STARTING = "starting"
_LEAST_SECONDS = 1.0  # between lines of one stage whose note stays the same


@dataclass
class Stage:
    """How far a stage is. `first` is what was done when it was first heard of: a resumed run does not begin at 0."""

    first: int
    began: float
    done: int = 0
    total: int = 0
    note: str = ""

    def ended(self, done: int) -> bool:
        """Whether it was finished before and another piece of work now begins under its name (the control arms)."""
        return self.total > 0 and self.done >= self.total > done

    def passed(self, now: float) -> float:
        return now - self.began

    def left(self, now: float) -> float | None:
        """Seconds, at the pace so far; None before anything was done."""
        made = self.done - self.first
        return None if made <= 0 else (now - self.began) / made * (self.total - self.done)


class Bars:
    """`tell(stage, done, total, note)` moves a stage. Quiet bars say nothing.

    With `lines` each note of a stage stays on the terminal once the next one comes.
    """

    def __init__(self, quiet: bool = False, *, lines: bool = False, stream: TextIO | None = None) -> None:
        stream = stream or sys.stderr
        console = Terminal(file=stream)
        self._starting = False
        self._shown: _Terminal | _Lines | None = None
        if not quiet:
            self._shown = _Terminal(console, lines) if console.is_terminal else _Lines(stream)

    def tell(self, stage: str, done: int, total: int, note: str = "") -> None:
        if self._shown is not None:
            if self._starting:
                self._starting = False
                self._shown.tell(_STARTING, 1, 1, "done")
            self._shown.tell(stage, done, total, note)

    def starting(self, note: str) -> None:
        """Say what is done before the first stage, which ends it."""
        self.tell(_STARTING, 0, 1, note)
        self._starting = True

    def __enter__(self) -> Bars:
        if self._shown is not None:
            self._shown.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._shown is not None:
            self._shown.stop()


class _Lines:
    """One plain line a step."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream, self._clock = stream, clock
        self._stages: dict[str, Stage] = {}
        self._latest = ""
        self._written = clock()
        self._said = (-1, "")  # what was done and noted in the last line
        self._lock = threading.Lock()
        self._end = threading.Event()

    def start(self) -> None:
        threading.Thread(target=self._beat, name="ponder-progress", daemon=True).start()

    def stop(self) -> None:
        self._end.set()

    def tell(self, name: str, done: int, total: int, note: str) -> None:
        with self._lock:
            now = self._clock()
            begins = name != self._latest or self._stages[name].ended(done)
            if name not in self._stages or self._stages[name].ended(done):
                self._stages[name] = Stage(done, now)
            stage = self._stages[name]
            stage.done, stage.total, stage.note, self._latest = done, total, note, name
            moved = done != self._said[0] and (note != self._said[1] or now - self._written >= _LEAST_SECONDS)
            if begins or moved or done == total != self._said[0] or now - self._written >= HEARTBEAT_SECONDS:
                self._write(name, stage, now)

    def beat(self) -> None:
        """A sign of life if nothing was written for 15 seconds."""
        with self._lock:
            now = self._clock()
            if self._latest and now - self._written >= HEARTBEAT_SECONDS:
                self._write(self._latest, self._stages[self._latest], now)

    def _beat(self) -> None:
        while not self._end.wait(HEARTBEAT_SECONDS / 3):
            self.beat()

    def _write(self, name: str, stage: Stage, now: float) -> None:
        left = stage.left(now)
        pace = "" if left is None or stage.done >= stage.total else f", about {_clock_text(left)} left"
        line = f"{name} {stage.done}/{stage.total}, {_clock_text(stage.passed(now))} passed{pace}"
        note = " ".join(printable(stage.note).split())
        self._stream.write(f"{line}: {note}\n" if note else f"{line}\n")
        self._stream.flush()
        self._written, self._said = now, (stage.done, stage.note)


class _Terminal:
    """Bars. The note has what room is left, and is cut."""

    def __init__(self, console: Console, lines: bool) -> None:
        self._lines = lines
        self._progress = Progress(
            TextColumn("[bold]{task.fields[name]}", table_column=Column(no_wrap=True)),
            BarColumn(bar_width=min(24, max(8, console.width // 8))),
            TextColumn("{task.completed:.0f}/{task.total:.0f}", table_column=Column(no_wrap=True)),
            _Times(table_column=Column(no_wrap=True)),
            TextColumn("[dim]{task.description}", table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1)),
            console=console,
            expand=True,
        )
        self._tasks: dict[str, TaskID] = {}
        self._stages: dict[str, Stage] = {}

    def start(self) -> None:
        self._progress.start()

    def stop(self) -> None:
        self._progress.stop()

    def tell(self, name: str, done: int, total: int, note: str) -> None:
        if name not in self._tasks or self._stages[name].ended(done):
            self._stages[name] = Stage(done, time.monotonic())
            self._tasks[name] = self._progress.add_task(note, total=total, name=name, stage=self._stages[name])
        stage = self._stages[name]
        if self._lines and stage.note not in ("", note):
            took = _clock_text(stage.passed(time.monotonic()))
            self._progress.console.print(f"{stage.note} ({stage.done + 1}/{stage.total}, {took} passed)", markup=False)
        stage.done, stage.total, stage.note = done, total, note
        self._progress.update(self._tasks[name], completed=done, total=total, description=note)


class _Times(ProgressColumn):
    """Time passed and time left."""

    max_refresh = 0.5

    def render(self, task: Task) -> Text:
        stage: Stage = task.fields["stage"]
        now = time.monotonic() if not task.finished else stage.began + (task.finished_time or 0.0)
        left = stage.left(now)
        ending = "" if task.finished else f", {'-:--:--' if left is None else _clock_text(left)} left"
        return Text(f"{_clock_text(stage.passed(now))}{ending}", style="cyan")


def _clock_text(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))
