"""`ponder eval --suite`: which of the options of `eval` a benchmark takes, and what it says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from ponder.commands.options.shared import print_json, watched
from ponder.commands.terminal import Terminal
from ponder.types import PonderError

if TYPE_CHECKING:
    from ponder.api.evaluating.benchmark import Benchmark

# What goes with --suite; everything else that was given is refused by name.
TAKEN = {
    "suite", "file", "samples", "trained_on", "out", "model", "limit", "seed", "temperature", "max_tokens", "frame",
    "device", "threads", "verifier", "overwrite", "allow_unsafe_code", "as_json",
}  # fmt: skip


def given(ctx: typer.Context, name: str) -> bool:
    """Whether an option was written and is not its default."""
    source = ctx.get_parameter_source(name)
    return source is not None and source.name not in ("DEFAULT", "DEFAULT_MAP")


def refuse_others(ctx: typer.Context) -> None:
    """Raise PonderError for an option of `eval` that a benchmark does not take."""
    for parameter in ctx.command.params:
        if parameter.name and parameter.name not in TAKEN and given(ctx, parameter.name):
            raise PonderError(
                f"{parameter.opts[0]} does not go with --suite, which draws answers in its usual way; leave one "
                "of them out (--problems jsonl:FILE takes the same problems with strategies and budgets)"
            )


def run(asked: Benchmark, threads: int, as_json: bool) -> None:
    """Measure and print."""
    from ponder.api.evaluating import benchmark
    from ponder.commands.study import suite as printed

    metrics = watched("suite", as_json, lambda tell: benchmark.run(asked, tell), threads)
    if as_json:
        print_json(metrics)
        return
    Terminal().print(printed.table(metrics))
    Terminal().print(f"Written: {asked.out / benchmark.METRICS}")
