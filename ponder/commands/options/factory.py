"""Options of `factory make` and `factory clone`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from ponder.commands.options.shared import (
    Device,
    Json,
    Limit,
    MaxTokens,
    Model,
    Overwrite,
    Seed,
    Separator,
    Specs,
    Temperature,
    Threads,
    UnsafeCode,
    names,
    print_json,
    watched,
)
from ponder.commands.terminal import Terminal

Methods = "rejection, pivots, corrections, continuations, roles"
Batch = Annotated[int, typer.Option(help="Chains of a step of cloning.", min=1)]
Rate = Annotated[float, typer.Option("--learning-rate", help="Of cloning; it falls to zero.")]


def make(
    out: Annotated[Path, typer.Option(help="Folder of chains.parquet and factory.json.")],
    model: Model = "tiny",
    problems: Specs = "arithmetic,cipher,countdown",
    methods: Annotated[str, typer.Option(help=f"Comma-separated: {Methods}.")] = "rejection,pivots,corrections",
    limit: Limit = 100,
    samples: Annotated[int, typer.Option(help="Samples a problem to make chains from.", min=1)] = 8,
    most: Annotated[int, typer.Option(help="Most chains of a problem and method.", min=1)] = 4,
    draws: Annotated[int, typer.Option(help="Continuations drawn after a prefix.", min=1)] = 4,
    judge: Annotated[
        str, typer.Option(help="What finds the first wrong step: rollouts, truth, or a verifier's folder.")
    ] = "rollouts",
    planner: Annotated[str, typer.Option(help="Model of this role; --model unless given.")] = "",
    elaborator: Annotated[str, typer.Option(help="Model of this role; --model unless given.")] = "",
    critic: Annotated[str, typer.Option(help="Model of this role; --model unless given.")] = "",
    turn: Annotated[str | None, typer.Option(help="Words between a wrong branch and the right one.")] = None,
    rounds: Annotated[int, typer.Option(help="Bootstrapping: clone on all chains, then make more.", min=1)] = 1,
    steps: Annotated[int, typer.Option(help="Steps of cloning between rounds.", min=1)] = 60,
    batch: Batch = 32,
    learning_rate: Rate = 3e-4,
    separator: Separator = "\n",
    seed: Seed = 0,
    temperature: Temperature = 1.0,
    max_tokens: MaxTokens = 400,
    device: Device = "cpu",
    threads: Threads = 0,
    overwrite: Overwrite = False,
    allow_unsafe_code: UnsafeCode = False,
    as_json: Json = False,
) -> None:
    """Make chains of thought from a model's own samples: stitched, corrected, in roles, each checked."""
    from ponder.api import factory
    from ponder.factory.work import TURN

    request = factory.Request(
        model=model,
        problems=names(problems),
        out=out,
        methods=names(methods),
        limit=limit,
        samples=samples,
        most=most,
        draws=draws,
        judge=judge,
        planner=planner,
        elaborator=elaborator,
        critic=critic,
        turn=TURN if turn is None else turn.replace("\\n", "\n"),
        rounds=rounds,
        steps=steps,
        batch=batch,
        learning_rate=learning_rate,
        separator=separator.replace("\\n", "\n"),
        seed=seed,
        temperature=temperature,
        max_tokens=max_tokens,
        device=device,
        overwrite=overwrite,
        allow_unsafe_code=allow_unsafe_code,
    )
    summary = watched("factory", as_json, lambda tell: factory.make(request, tell), threads)
    if as_json:
        print_json(summary)
    else:
        Terminal().print(_table(summary))
        Terminal().print(f"Written: {summary['file']}")


def clone(
    chains: Annotated[list[Path], typer.Argument(help="Files of chains: chains.parquet of `factory make`.")],
    out: Annotated[Path, typer.Option(help="Folder of the new model, for `ponder run --model`.")],
    model: Model = "tiny",
    methods: Annotated[str, typer.Option(help="Keep chains of these methods alone.")] = "",
    steps: Annotated[int, typer.Option(help="Steps; 0 is two passes over the chains.", min=0)] = 0,
    batch: Batch = 32,
    learning_rate: Rate = 3e-4,
    errors: Annotated[bool, typer.Option("--errors", help="Imitate wrong steps too, and not only read them.")] = False,
    seed: Seed = 0,
    device: Device = "cpu",
    threads: Threads = 0,
    as_json: Json = False,
) -> None:
    """Let a model imitate chains; steps that were found wrong are read and not imitated."""
    from ponder.api import factory

    request = factory.CloneRequest(
        chains=tuple(chains),
        out=out,
        model=model,
        methods=names(methods),
        steps=steps,
        batch=batch,
        learning_rate=learning_rate,
        seed=seed,
        device=device,
        errors=errors,
    )
    summary = watched("clone", as_json, lambda tell: factory.clone(request, tell), threads)
    if as_json:
        print_json(summary)
    else:
        loss = "-" if summary["loss"] is None else f"{summary['loss']:.3f}"
        Terminal().print(
            f"{summary['chains']} chains, {summary['steps']} steps, loss {loss}. Written: {summary['out']}"
        )


def _table(summary: Mapping[str, Any]) -> Table:
    """Chains by method, and what was not made, with the reasons."""
    title = f"{summary['chains']} chains from {summary['tokens']:.0f} generated tokens"
    shown = Table(title=title, title_justify="left")
    shown.add_column("chains")
    shown.add_column("number", justify="right")
    for method, count in summary["by_method"].items():
        shown.add_row(method, str(count))
    lost: Counter[str] = Counter()
    for row in summary["rounds"]:
        lost.update({f"refused, {name}": count for name, count in row["refused"].items()})
        lost.update({f"none made: {name}": count for name, count in row["why_none"].items()})
    for name, count in lost.most_common():
        shown.add_row(f"[dim]{name}[/]", f"[dim]{count}[/]")
    return shown
