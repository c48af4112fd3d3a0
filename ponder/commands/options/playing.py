"""`ponder eval --environment`: which of the options of `eval` playing takes, and what it says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from ponder.commands.options.shared import print_json, watched
from ponder.commands.options.suites import given
from ponder.commands.terminal import Terminal
from ponder.types import PonderError

if TYPE_CHECKING:
    from ponder.api.evaluating.episodes import Acted

# What goes with --environment; everything else that was given is refused by name.
TAKEN = {
    "environment", "samples", "strategies", "budgets", "out", "model", "problems", "split", "limit", "seed",
    "temperature", "max_tokens", "frame", "device", "threads", "verifier", "tools", "overwrite", "allow_unsafe_code",
    "as_json",
}  # fmt: skip


def refuse_others(ctx: typer.Context) -> None:
    """Raise PonderError for an option of `eval` that playing does not take."""
    for parameter in ctx.command.params:
        if parameter.name and parameter.name not in TAKEN and given(ctx, parameter.name):
            raise PonderError(
                f"{parameter.opts[0]} does not go with --environment, which plays episodes of --problems; leave one of "
                "them out"
            )


def run(asked: Acted, threads: int, as_json: bool) -> None:
    """Play and print."""
    from ponder.api.evaluating import episodes
    from ponder.commands.study import episodes as printed

    metrics = watched("episodes", as_json, lambda tell: episodes.run(asked, tell), threads)
    if as_json:
        print_json(metrics)
        return
    Terminal().print(printed.table(metrics))
    Terminal().print(f"Written: {asked.out / episodes.METRICS}, {asked.out / episodes.SAMPLES}")
