"""Options that several commands have, each said once, and the two ways in which a command speaks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from ponder.printable import json_line

T = TypeVar("T")

Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines, and no progress.")]
Seed = Annotated[int, typer.Option(help="Seed of every random draw.", min=0)]
Model = Annotated[str, typer.Option(help="tiny (embedded), a folder, a hub id, http://HOST/v1#NAME, or vllm:FOLDER.")]
Specs = Annotated[
    str, typer.Option("--problems", help="Comma-separated: countdown, arithmetic?terms=4, gym:NAME, jsonl:PATH.")
]
Split = Annotated[str, typer.Option(help="train, validation or test.")]
Limit = Annotated[int, typer.Option("--limit", help="Problems of each family.", min=1)]
Temperature = Annotated[float, typer.Option(help="Sampling temperature; 0 is greedy.", min=0.0)]
MaxTokens = Annotated[int, typer.Option(help="Most tokens of one chain of thought.", min=41)]
Device = Annotated[str, typer.Option(help="cpu or cuda.")]
FrameKind = Annotated[
    str, typer.Option("--frame", help="How the model is asked: auto, native, tags, chain, few_shot or opened.")
]
Threads = Annotated[
    int, typer.Option(help="Threads of torch; 0 takes OMP_NUM_THREADS, or all cores where that is not set.", min=0)
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the results that --out already holds.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with what --out holds of the same command.")]
Verifier = Annotated[
    str | None, typer.Option(help="Folder of a trained verifier, or self-check (countdown needs no key).")
]
PlanFile = Annotated[Path | None, typer.Option(help="Plan of strategy auto; the one that ships unless given.")]
ToolNames = Annotated[str, typer.Option("--tools", help="Comma-separated tools to call while thinking: calc, python.")]
Separator = Annotated[str, typer.Option(help="What ends a step.")]
UnsafeCode = Annotated[
    bool, typer.Option("--allow-unsafe-code", help="Run a model's programs even where nothing isolates them.")
]


def completed(known: Callable[[], Iterable[str]]) -> Callable[[str], list[str]]:
    """What the tab key offers for an option: the names that go on with what is typed, behind its last comma too."""

    def offered(incomplete: str) -> list[str]:
        before, comma, last = incomplete.rpartition(",")
        return [f"{before}{comma}{name}" for name in known() if name.startswith(last)]

    return offered


def names(text: str) -> tuple[str, ...]:
    """The parts of a comma-separated option; none of an empty one."""
    return tuple(text.split(",")) if text else ()


def watched(stage: str, quiet: bool, work: Callable[[Callable[[int, int, str], None]], T], threads: int = 0) -> T:
    """What `work` returns, while a bar shows what it tells as (done, total, note). `threads` 0: see `set_threads`."""
    from ponder.api.machine import set_threads
    from ponder.commands.progress import Bars

    set_threads(threads)
    with Bars(quiet=quiet, lines=True) as bars:
        return work(lambda done, total, note: bars.tell(stage, done, total, note))


def print_json(value: Any) -> None:
    """One line for machines."""
    typer.echo(json_line(value, default=str))
