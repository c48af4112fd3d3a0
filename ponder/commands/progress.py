"""Progress for people: one bar a stage with the time left, on the error stream so that --json stays clean."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)


class Bars:
    """`tell(stage, done, total, note)` moves the bar of a stage. Quiet bars say nothing."""

    def __init__(self, quiet: bool = False) -> None:
        self._progress = Progress(
            TextColumn("[bold]{task.fields[stage]:<10}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("passed"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(elapsed_when_finished=False),
            TextColumn("[dim]{task.description}"),
            console=Console(stderr=True),
            disable=quiet,
        )
        self._tasks: dict[str, TaskID] = {}

    def tell(self, stage: str, done: int, total: int, note: str = "") -> None:
        if stage not in self._tasks:
            self._tasks[stage] = self._progress.add_task(note, total=total, stage=stage)
        self._progress.update(self._tasks[stage], completed=done, total=total, description=note)

    def __enter__(self) -> Bars:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()
