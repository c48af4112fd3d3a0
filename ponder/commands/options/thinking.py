"""Options of the commands that think: `solve`, `eval`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ponder.commands.options import suites
from ponder.commands.options.shared import (
    Device,
    FrameKind,
    Json,
    Limit,
    MaxTokens,
    Model,
    Overwrite,
    PlanFile,
    Resume,
    Seed,
    Specs,
    Split,
    Temperature,
    Threads,
    ToolNames,
    UnsafeCode,
    Verifier,
    completed,
    names,
    print_json,
    watched,
)
from ponder.commands.terminal import Terminal
from ponder.search.registry import STRATEGIES
from ponder.types import PonderError

if TYPE_CHECKING:
    from ponder.api.evaluating.request import Request


def solve(
    question: Annotated[str, typer.Argument(help='The question, for example "Make 18 from 3, 6, 1."')],
    model: Model = "tiny",
    strategy: Annotated[
        str, typer.Option(help=f"{', '.join(STRATEGIES)}.", autocompletion=completed(lambda: STRATEGIES))
    ] = "vote",
    budget: Annotated[float | None, typer.Option(help="Token-equivalents to spend; 1024 unless given.", min=1)] = None,
    effort: Annotated[
        str | None, typer.Option(help="Instead of --budget: low, medium, high (1, 4, 16 longest answers) or a number.")
    ] = None,
    seconds: Annotated[float | None, typer.Option(help="Deadline of the thinking; then the best so far.")] = None,
    verifier: Verifier = None,
    problems: Annotated[str | None, typer.Option(help="The family that the question is of.")] = None,
    plan: PlanFile = None,
    tools: ToolNames = "",
    image: Annotated[
        list[Path] | None, typer.Option(help="A picture of the question (again for more); for a model at an address.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the tree as tree.json and as a page.")] = None,
    overwrite: Overwrite = False,
    seed: Seed = 0,
    temperature: Temperature = 1.0,
    max_tokens: MaxTokens = 400,
    frame: FrameKind = "auto",
    device: Device = "cpu",
    threads: Threads = 0,
    as_json: Json = False,
) -> None:
    """Think about one question; Ctrl-C returns the best answer so far."""
    from ponder.api.machine import set_threads
    from ponder.api.thinking.think import think
    from ponder.commands import solve as printed
    from ponder.reports.tree import live as tree_live

    set_threads(threads)
    thought = think(
        question,
        model,
        strategy=strategy,
        budget=budget,
        effort=effort,
        seconds=seconds,
        verifier=verifier,
        family=problems,
        seed=seed,
        temperature=temperature,
        max_tokens=max_tokens,
        device=device,
        frame=frame,
        plan=plan,
        tools=names(tools),
        images=image or (),
        out=out,
        overwrite=overwrite,
        view=tree_live.view(Terminal(stderr=True), quiet=as_json),
    )
    print_json(thought.as_data(out)) if as_json else printed.show(thought, out, Terminal())
    if thought.interrupted:
        raise typer.Exit(130)


def evaluate(
    ctx: typer.Context,
    out: Annotated[Path, typer.Option(help="Folder of metrics.json, curves.html, and samples and results row by row.")],
    model: Model = "tiny",
    problems: Specs = "arithmetic,cipher,countdown",
    split: Split = "test",
    limit: Limit = 100,
    strategies: Annotated[
        str, typer.Option(help="Comma-separated.", autocompletion=completed(lambda: STRATEGIES))
    ] = "sample,vote",
    budgets: Annotated[
        str, typer.Option(help="Comma-separated token-equivalents, or low, medium, high.")
    ] = "128,512,2048",
    verifier: Verifier = None,
    seed: Seed = 0,
    temperature: Temperature = 1.0,
    max_tokens: MaxTokens = 400,
    frame: FrameKind = "auto",
    device: Device = "cpu",
    threads: Threads = 0,
    live: Annotated[
        bool, typer.Option("--live", help="Run every strategy afresh, none on samples drawn once.")
    ] = False,
    plan: PlanFile = None,
    tools: ToolNames = "",
    fit_plan: Annotated[Path | None, typer.Option(help="Fit a plan on these problems and write it here.")] = None,
    grid: Annotated[
        str | None, typer.Option(help="A run folder, or models: train compute by thinking compute.")
    ] = None,
    pool: Annotated[Path | None, typer.Option(help="Measure the samples in this JSONL file, run no model.")] = None,
    aggregation: Annotated[
        str | None, typer.Option(help="Of the step scores in --pool: last (the default), min, product, mean, rank.")
    ] = None,
    suite: Annotated[
        str | None,
        typer.Option(
            help="A benchmark: math500, gsm8k, aime, gpqa, humaneval, mbpp, ifeval, processbench.",
            autocompletion=completed(suites.known),
        ),
    ] = None,
    file: Annotated[Path | None, typer.Option(help="The published file of --suite; from the hub unless given.")] = None,
    environment: Annotated[
        str | None, typer.Option(help="Play episodes: retry, repair?turns=3, second_look, openenv, or one of your own.")
    ] = None,
    samples: Annotated[
        int | None, typer.Option(help="Answers a problem of --suite (its usual number), episodes a problem (1).", min=1)
    ] = None,
    trained_on: Annotated[
        str, typer.Option(help="Files the model was trained on: problems of --suite in them are refused.")
    ] = "",
    resume: Resume = False,
    overwrite: Overwrite = False,
    allow_unsafe_code: UnsafeCode = False,
    as_json: Json = False,
) -> None:
    """Accuracy of strategies at budgets on held-out problems, of a benchmark, or of the samples in a file."""
    from ponder.api.evaluating.request import Request

    if suite is not None:
        suites.refuse_others(ctx)
    elif environment is not None:
        suites.refuse_others(ctx, suites.PLAYING, suites.EPISODES)
    elif file is not None or samples is not None or trained_on:
        raise PonderError(
            "--file, --samples and --trained-on go with --suite (--samples with --environment too); for problems of "
            "your own use --problems"
        )
    elif pool is not None:
        _evaluate_pool(pool, out, aggregation or "last", seed, overwrite, as_json)
        return
    elif aggregation is not None:
        raise PonderError("--aggregation is for the scores in a --pool; a verifier has a rule of its own")
    elif grid is not None and (resume or fit_plan is not None):
        raise PonderError(
            "--grid keeps nothing row by row, so it cannot --resume; start it again with --overwrite"
            if resume
            else "--fit-plan and --grid are two measurements; give one of them"
        )
    request = Request(
        model=model,
        problems=names(problems),
        split=split,
        limit=limit,
        strategies=names(strategies),
        budgets=_budgets(budgets, max_tokens),
        verifier=verifier,
        seed=seed,
        temperature=temperature,
        max_tokens=max_tokens,
        device=device,
        frame=frame,
        out=out,
        live=live,
        plan=plan,
        tools=names(tools),
        fit_plan=fit_plan,
        allow_unsafe_code=allow_unsafe_code,
        resume=resume,
        overwrite=overwrite,
    )
    if suite is not None:
        suites.run(suites.benchmark(ctx, request, suite, out, file, samples, names(trained_on)), threads, as_json)
        return
    if environment is not None:
        suites.play(suites.acted(ctx, request, environment, out, samples), threads, as_json)
        return
    if grid is not None:
        _evaluate_grid(request, grid, threads, as_json)
        return
    _evaluate(request, out, threads, as_json)


def _evaluate(request: Request, out: Path, threads: int, as_json: bool) -> None:
    from ponder.api.evaluating import evaluate as evaluating
    from ponder.commands import eval as printed

    metrics = watched("eval", as_json, lambda tell: evaluating.run(request, tell), threads).metrics
    if as_json:
        print_json(metrics)
        return
    written = ", ".join(str(out / name) for name in ("metrics.json", "curves.html", "curves.png"))
    Terminal().print(printed.table(metrics))
    Terminal().print(f"Written: {written}")


def _budgets(text: str, max_tokens: int) -> tuple[float, ...]:
    from ponder.search.planner.efforts import budget_of

    found = [budget_of(part.strip(), max_tokens=max_tokens) for part in text.split(",")]
    return tuple(sorted({int(budget) if budget == int(budget) else budget for budget in found}))


def _evaluate_grid(request: Request, grid: str, threads: int, as_json: bool) -> None:
    from ponder.api.evaluating import grid as evaluating
    from ponder.commands import eval_grid as printed

    found = watched("grid", as_json, lambda tell: evaluating.evaluate_grid(request, grid, tell), threads)
    console = Terminal()
    print_json(found) if as_json else console.print(printed.shown(found, console.width), highlight=False)


def _evaluate_pool(pool: Path, out: Path, aggregation: str, seed: int, overwrite: bool, as_json: bool) -> None:
    from typing import get_args

    from ponder.api.evaluating import pool as evaluating
    from ponder.commands import eval_pool as printed
    from ponder.commands.progress import Bars
    from ponder.verifiers.aggregation import Aggregation

    if aggregation not in get_args(Aggregation):
        raise PonderError(f"--aggregation {aggregation}: choose among {', '.join(get_args(Aggregation))}")
    with Bars(quiet=as_json) as bars:
        metrics = evaluating.evaluate_pool(
            pool,
            out,
            aggregation=aggregation,  # type: ignore[arg-type]  # checked above
            seed=seed,
            workers=os.cpu_count() or 1,
            overwrite=overwrite,
            tell=lambda done, total, note: bars.tell(note.split()[0], done, total, note),
        )
    if as_json:
        print_json(metrics)
        return
    Terminal().print(printed.table(metrics))
    Terminal().print(f"Written: {out / 'metrics.json'}")
