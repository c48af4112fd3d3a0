"""`ponder eval --suite` and `--environment`: which of the options of `eval` each takes, and what it says."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ponder.commands.options.shared import print_json, watched
from ponder.commands.terminal import Terminal
from ponder.types import PonderError

if TYPE_CHECKING:
    from ponder.api.evaluating.acted import Acted
    from ponder.api.evaluating.benchmark import Benchmark
    from ponder.api.evaluating.request import Request

# What goes with --suite; everything else that was given is refused by name.
TAKEN = {
    "suite", "file", "samples", "trained_on", "out", "model", "limit", "seed", "temperature", "max_tokens", "frame",
    "device", "threads", "verifier", "overwrite", "allow_unsafe_code", "as_json",
}  # fmt: skip
# What goes with --environment.
PLAYING = {
    "environment", "samples", "strategies", "budgets", "out", "model", "problems", "split", "limit", "seed",
    "temperature", "max_tokens", "frame", "device", "threads", "verifier", "tools", "resume", "overwrite",
    "allow_unsafe_code", "as_json",
}  # fmt: skip
BENCHMARK = (
    "--suite, which draws answers in its usual way; leave one of them out (--problems jsonl:FILE takes the same "
    "problems with strategies and budgets)"
)
EPISODES = "--environment, which plays episodes of --problems; leave one of them out"


def given(ctx: typer.Context, name: str) -> bool:
    """Whether an option was written and is not its default."""
    source = ctx.get_parameter_source(name)
    return source is not None and source.name not in ("DEFAULT", "DEFAULT_MAP")


def refuse_others(ctx: typer.Context, taken: Collection[str] = TAKEN, what: str = BENCHMARK) -> None:
    """Raise PonderError for an option of `eval` that is not `taken` beside what `what` begins with."""
    for parameter in ctx.command.params:
        if parameter.name and parameter.name not in taken and given(ctx, parameter.name):
            raise PonderError(f"{parameter.opts[0]} does not go with {what}")


def known() -> tuple[str, ...]:
    """The benchmarks' names."""
    from ponder.problems.suites.registry import NAMES

    return NAMES


def benchmark(
    ctx: typer.Context,
    request: Request,
    suite: str,
    out: Path,
    file: Path | None,
    samples: int | None,
    trained_on: tuple[str, ...],
) -> Benchmark:
    """What `--suite` measures: options that were not written are as the benchmark usually has them."""
    from ponder.api.evaluating.benchmark import Benchmark

    return Benchmark(
        suite,
        out,
        file,
        request.model,
        samples,
        request.temperature if given(ctx, "temperature") else None,
        request.limit if given(ctx, "limit") else None,
        request.seed,
        request.max_tokens if given(ctx, "max_tokens") else Benchmark.max_tokens,
        request.device,
        request.frame,
        None if request.verifier is None else str(request.verifier),
        trained_on,
        request.allow_unsafe_code,
        request.overwrite,
    )


def acted(ctx: typer.Context, request: Request, environment: str, out: Path, samples: int | None) -> Acted:
    """What `--environment` plays: searches only where strategies or budgets were written."""
    from ponder.api.evaluating.acted import Acted

    searches = given(ctx, "strategies") or given(ctx, "budgets")
    return Acted(
        environment=environment,
        out=out,
        model=request.model,
        problems=request.problems,
        split=request.split,
        limit=request.limit,
        samples=samples or 1,
        strategies=request.strategies if searches else (),
        budgets=request.budgets if searches else (),
        verifier=request.verifier,
        seed=request.seed,
        temperature=request.temperature,
        max_tokens=request.max_tokens,
        frame=request.frame,
        device=request.device,
        tools=request.tools,
        allow_unsafe_code=request.allow_unsafe_code,
        resume=request.resume,
        overwrite=request.overwrite,
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


def play(asked: Acted, threads: int, as_json: bool) -> None:
    """Play episodes and print."""
    from ponder.api.evaluating import episodes
    from ponder.commands.study import episodes as printed
    from ponder.reports.thinking import episodes as pictures

    metrics = watched("episodes", as_json, lambda tell: episodes.run(asked, tell), threads)
    if as_json:
        print_json(metrics)
        return
    Terminal().print(printed.table(metrics))
    written = (episodes.METRICS, pictures.PAGE, pictures.PICTURE, episodes.EPISODES)
    Terminal().print(f"Written: {', '.join(str(asked.out / name) for name in written)}")
