"""The command line. Every command has --json for machines and progress for people; errors are one sentence.

Heavy imports happen inside the commands, so `ponder --help` and a mistyped option answer at once.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

import ponder
from ponder.search.registry import STRATEGIES
from ponder.types import PonderError

app = typer.Typer(
    name="ponder",
    help="Make a language model think: train it by self-play, search under a budget, draw both scaling laws.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
problems_app = typer.Typer(help="What there is to solve.", no_args_is_help=True)
app.add_typer(problems_app, name="problems")
verifier_app = typer.Typer(help="Verifiers that learn.", no_args_is_help=True)
app.add_typer(verifier_app, name="verifier")

Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines, and no progress.")]
Seed = Annotated[int, typer.Option(help="Seed of every random draw.", min=0)]
Model = Annotated[str, typer.Option(help="tiny (embedded), a folder, a hub id, http://HOST/v1#NAME, or vllm:FOLDER.")]
Specs = Annotated[
    str, typer.Option("--problems", help="Comma-separated: countdown, arithmetic?terms=4, gym:NAME, jsonl:PATH.")
]
Temperature = Annotated[float, typer.Option(help="Sampling temperature; 0 is greedy.", min=0.0)]
VerifierFolder = Annotated[Path | None, typer.Option("--verifier", help="Folder of a trained step verifier.")]
MaxTokens = Annotated[int, typer.Option(help="Most tokens of one chain of thought.", min=41)]


UnsafeCode = Annotated[
    bool, typer.Option("--allow-unsafe-code", help="Run a model's programs even where nothing isolates them.")
]


@app.command()
def run(
    config: Annotated[Path | None, typer.Argument(help="A TOML file; without one, the embedded default.")] = None,
    out: Annotated[Path, typer.Option(help="The run folder.")] = Path("runs/default"),
    model: Annotated[str | None, typer.Option(help="tiny (embedded), a local folder, or a hub id.")] = None,
    problems: Annotated[str | None, typer.Option(help="Comma-separated problem specs.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of every random draw.", min=0)] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="key.path=value, any number of times.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the run in --out.")] = False,
    allow_unsafe_code: UnsafeCode = False,
    as_json: Json = False,
) -> None:
    """The self-play loop, start to report."""
    from ponder import config as settings
    from ponder.commands.progress import Bars
    from ponder.commands.run import run as run_all
    from ponder.reports.tables import console
    from ponder.selfplay.config import Run

    overrides = [f"model={json.dumps(model)}"] if model else []
    overrides += [f"problems={json.dumps(problems.split(','))}"] if problems else []
    overrides += [f"seed={seed}"] if seed is not None else []
    overrides += ["allow_unsafe_code=true"] if allow_unsafe_code else []
    chosen = settings.load(Run, config, [*(set_ or []), *overrides])
    with Bars(quiet=as_json) as bars:
        summary = run_all(chosen, out, resume=resume, tell=bars.tell)
    if as_json:
        _print_json(summary)
        return
    Console().print(console(summary))
    Console().print(f"Report: {out / 'report.html'}   Model: {out / 'model'}   Verifier: {out / 'verifier'}")


@app.command()
def solve(
    question: Annotated[str, typer.Argument(help='The question, for example "Make 18 from 3, 6, 1."')],
    model: Model = "tiny",
    strategy: Annotated[str, typer.Option(help=f"{', '.join(STRATEGIES)}.")] = "vote",
    budget: Annotated[float | None, typer.Option(help="Token-equivalents to spend; 1024 unless given.", min=1)] = None,
    effort: Annotated[
        str | None, typer.Option(help="Instead of --budget: low, medium, high (1, 4, 16 longest answers) or a number.")
    ] = None,
    seconds: Annotated[float | None, typer.Option(help="Deadline of the thinking; then the best so far.")] = None,
    verifier: VerifierFolder = None,
    problems: Annotated[str | None, typer.Option(help="The family that the question is of.")] = None,
    plan: Annotated[Path | None, typer.Option(help="Plan of strategy auto; the one that ships unless given.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the tree as tree.json and as a page.")] = None,
    seed: Seed = 0,
    temperature: Temperature = 1.0,
    max_tokens: MaxTokens = 400,
    as_json: Json = False,
) -> None:
    """Think about one question; Ctrl-C returns the best answer so far."""
    from ponder.commands import solve as solving
    from ponder.reports import tree_live

    asked = solving.Asked(
        text=question,
        model=model,
        strategy=strategy,
        budget=budget,
        effort=effort,
        seconds=seconds,
        verifier=verifier,
        problems=problems,
        seed=seed,
        temperature=temperature,
        max_tokens=max_tokens,
        out=out,
        plan=plan,
    )
    solved = solving.solve(asked, tree_live.view(Console(stderr=True), quiet=as_json))
    _print_json(solving.as_data(solved, out)) if as_json else solving.show(solved, out, Console())
    if solved.interrupted:
        raise typer.Exit(130)


@app.command("eval")
def evaluate(
    out: Annotated[Path, typer.Option(help="Where metrics.json goes.")],
    model: Model = "tiny",
    problems: Specs = "arithmetic,cipher,countdown",
    split: Annotated[str, typer.Option(help="train, validation or test.")] = "test",
    limit: Annotated[int, typer.Option(help="Problems of each family.", min=1)] = 100,
    strategies: Annotated[str, typer.Option(help="Comma-separated.")] = "sample,vote",
    budgets: Annotated[
        str, typer.Option(help="Comma-separated token-equivalents, or low, medium, high.")
    ] = "128,512,2048",
    verifier: Annotated[
        Path | None, typer.Option(help="Folder of a trained verifier, or self-check (countdown needs no key).")
    ] = None,
    seed: Seed = 0,
    temperature: Temperature = 1.0,
    max_tokens: MaxTokens = 400,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    live: Annotated[
        bool, typer.Option("--live", help="Run every strategy afresh, none on samples drawn once.")
    ] = False,
    plan: Annotated[Path | None, typer.Option(help="Plan of strategy auto; the one that ships unless given.")] = None,
    fit_plan: Annotated[Path | None, typer.Option(help="Fit a plan on these problems and write it here.")] = None,
    grid: Annotated[
        str | None, typer.Option(help="A run folder, or models: train compute by thinking compute.")
    ] = None,
    pool: Annotated[Path | None, typer.Option(help="Measure the samples in this JSONL file, run no model.")] = None,
    aggregation: Annotated[str, typer.Option(help="Of step scores: last, min, product, mean, rank.")] = "last",
    allow_unsafe_code: UnsafeCode = False,
    as_json: Json = False,
) -> None:
    """Accuracy of strategies at budgets on held-out problems, or of the samples in a file."""
    if pool is not None:
        _evaluate_pool(pool, out, aggregation, seed, as_json)
        return
    from ponder.commands import eval as evaluating
    from ponder.commands.assemble import set_threads
    from ponder.commands.progress import Bars

    set_threads(0)
    request = evaluating.Request(
        model=model,
        problems=tuple(problems.split(",")),
        split=split,
        limit=limit,
        strategies=tuple(strategies.split(",")),
        budgets=_budgets(budgets, max_tokens),
        verifier=verifier,
        seed=seed,
        temperature=temperature,
        max_tokens=max_tokens,
        device=device,
        out=out,
        live=live,
        plan=plan,
        fit_plan=fit_plan,
        allow_unsafe_code=allow_unsafe_code,
    )
    if grid is not None:
        from ponder.commands import eval_grid

        with Bars(quiet=as_json) as bars:
            found = eval_grid.evaluate(request, grid, lambda done, total, note: bars.tell("grid", done, total, note))
        _print_json(found) if as_json else Console().print(eval_grid.shown(found, Console().width), highlight=False)
        return
    with Bars(quiet=as_json) as bars:
        metrics = evaluating.evaluate(request, lambda done, total, note: bars.tell("eval", done, total, note))
    if as_json:
        _print_json(metrics)
    else:
        Console().print(evaluating.table(metrics))
        Console().print(f"Written: {out / 'metrics.json'}, {out / 'curves.html'}, {out / 'curves.png'}")


def _budgets(text: str, max_tokens: int) -> tuple[float, ...]:
    from ponder.search.efforts import budget_of

    found = [budget_of(part.strip(), max_tokens=max_tokens) for part in text.split(",")]
    return tuple(sorted({int(budget) if budget == int(budget) else budget for budget in found}))


def _evaluate_pool(pool: Path, out: Path, aggregation: str, seed: int, as_json: bool) -> None:
    from typing import get_args

    from ponder.commands import eval_pool
    from ponder.commands.progress import Bars
    from ponder.verifiers.aggregation import Aggregation

    if aggregation not in get_args(Aggregation):
        raise PonderError(f"--aggregation {aggregation}: choose among {', '.join(get_args(Aggregation))}")
    with Bars(quiet=as_json) as bars:
        metrics = eval_pool.evaluate(
            pool,
            out,
            aggregation=aggregation,  # type: ignore[arg-type]  # checked above
            seed=seed,
            workers=os.cpu_count() or 1,
            tell=lambda done, total, note: bars.tell(note.split()[0], done, total, note),
        )
    if as_json:
        _print_json(metrics)
        return
    Console().print(eval_pool.table(metrics))
    Console().print(f"Written: {out / 'metrics.json'}")


@app.command()
def label(
    out: Annotated[Path, typer.Option(help="Folder of labels.parquet, its journal and label.json.")],
    model: Model = "tiny",
    problems: Specs = "arithmetic,cipher,countdown",
    split: Annotated[str, typer.Option(help="train, validation or test.")] = "train",
    limit: Annotated[int, typer.Option(help="Problems of each family.", min=1)] = 100,
    method: Annotated[str, typer.Option(help="shepherd, shepherd-hard, omega, rest or advantages.")] = "omega",
    responses: Annotated[int, typer.Option(help="Responses a problem.", min=1)] = 8,
    rollouts: Annotated[int, typer.Option(help="Rollouts after a prefix.", min=1)] = 8,
    searches: Annotated[int, typer.Option(help="Most searches a problem (omega).", min=1)] = 100,
    prover: Annotated[str | None, typer.Option(help="Model that draws the rollouts; --model unless given.")] = None,
    best_of: Annotated[int, typer.Option(help="The prover's best of K (advantages).", min=1)] = 1,
    judge: Annotated[Path | None, typer.Option(help="Verifier folder: keep only what it agrees with.")] = None,
    budget: Annotated[float | None, typer.Option(help="Token-equivalents a problem; no limit unless given.")] = None,
    separator: Annotated[str, typer.Option(help="What ends a step.")] = "\n",
    seed: Seed = 0,
    temperature: Temperature = 1.0,
    max_tokens: MaxTokens = 400,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    resume: Annotated[bool, typer.Option("--resume", help="Continue the job in --out.")] = False,
    allow_unsafe_code: UnsafeCode = False,
    as_json: Json = False,
) -> None:
    """Label the steps of a model's responses by rollouts."""
    from ponder.commands import label as labelling
    from ponder.commands.assemble import set_threads
    from ponder.commands.progress import Bars

    set_threads(0)
    request = labelling.Request(
        model=model,
        problems=tuple(problems.split(",")),
        split=split,
        limit=limit,
        method=method,
        responses=responses,
        rollouts=rollouts,
        searches=searches,
        prover=prover,
        best_of=best_of,
        judge=judge,
        budget=budget,
        separator=separator.replace("\\n", "\n"),
        seed=seed,
        temperature=temperature,
        max_tokens=max_tokens,
        device=device,
        out=out,
        resume=resume,
        allow_unsafe_code=allow_unsafe_code,
    )
    with Bars(quiet=as_json) as bars:
        summary = labelling.label(request, lambda done, total, note: bars.tell("label", done, total, note))
    if as_json:
        _print_json(summary)
    else:
        Console().print(labelling.table(summary))
        Console().print(f"Written: {summary['file']}")


@app.command()
def grade(
    file: Annotated[Path, typer.Argument(help='Rows {"id", "prediction", "answer" | "tests" | "constraints"}.')],
    out: Annotated[Path | None, typer.Option(help="Where verdicts go; FILE.graded.jsonl unless given.")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes; all cores unless given.", min=1)] = None,
    allow_unsafe_code: UnsafeCode = False,
    as_json: Json = False,
) -> None:
    """Grade anybody's predictions."""
    from ponder.commands.progress import Bars
    from ponder.verifiers.grade import grade_file

    target = out or file.with_suffix(".graded.jsonl")
    try:
        with Bars(quiet=as_json) as bars:
            counts = grade_file(
                file,
                target,
                workers=workers,
                progress=lambda done, total: bars.tell("grade", done, total),
                allow_unsafe_code=allow_unsafe_code,
            )
    except KeyboardInterrupt as stop:
        Console(stderr=True, soft_wrap=True).print(str(stop) or "stopped before a row was graded", highlight=False)
        raise typer.Exit(130) from stop
    report = {
        "rows": counts.rows,
        "right": counts.right,
        "wrong": counts.wrong,
        "failures": dict(counts.failures),
        "accuracy": counts.accuracy,
        "out": str(target),
    }
    if as_json:
        _print_json(report)
        return
    accuracy = "no row could be judged" if counts.accuracy is None else f"accuracy {counts.accuracy:.1%}"
    failed = ", ".join(f"{count} {name}" for name, count in counts.failures.items()) or "no failures"
    Console().print(f"{counts.rows} rows: {counts.right} right, {counts.wrong} wrong, {failed}; {accuracy}. {target}")


@app.command()
def report(
    run_folder: Annotated[Path, typer.Argument(help="The folder of a finished run.")], as_json: Json = False
) -> None:
    """Build report.html again from a run folder."""
    from ponder.reports.page import render

    page = render(run_folder)
    _print_json({"report": str(page)}) if as_json else Console().print(f"Report: {page}")


@app.command()
def reflect(
    run_folder: Annotated[Path, typer.Argument(help="The folder of a run.")],
    out: Annotated[Path | None, typer.Option(help="Where the files go; the run folder unless given.")] = None,
    as_json: Json = False,
) -> None:
    """How often a run's samples go back or correct, over training and over budget, and what that did."""
    from ponder.commands import reflect as reflecting
    from ponder.reports.thinking_reflection import DATA, PICTURE

    found = reflecting.reflect(run_folder, out)
    if as_json:
        _print_json(found)
        return
    folder = out or run_folder
    Console().print(reflecting.shown(found), highlight=False)
    Console().print(f"Written: {folder / DATA}, {folder / PICTURE}")


@verifier_app.command("train")
def train_verifier(
    out: Annotated[Path, typer.Option(help="The folder of the trained verifier.")],
    kind: Annotated[
        str,
        typer.Option(help="outcome, outcome_per_token, process, pairwise, value, implicit, generative or preference."),
    ] = "process",
    labels: Annotated[Path | None, typer.Option(help="A label file; without one, labels are collected.")] = None,
    model: Model = "tiny",
    problems: Specs = "arithmetic,cipher,countdown",
    groups: Annotated[int, typer.Option(help="Problems to collect labels on.", min=2)] = 150,
    trunk: Annotated[
        str, typer.Option(help="separate, shared (the policy learns too), or frozen (a head on the policy).")
    ] = "separate",
    hard: Annotated[bool, typer.Option("--hard", help="Hard labels for kind process.")] = False,
    aggregation: Annotated[str | None, typer.Option(help="last, min, product, mean or rank.")] = None,
    critiques: Annotated[int, typer.Option(help="Critiques a judgement, for kind generative.", min=0)] = 0,
    own_critiques: Annotated[bool, typer.Option("--own-critiques", help="Learn from its own that agree.")] = False,
    learning_rate: Annotated[float | None, typer.Option(help="AdamW's rate: 5e-4, frozen 1e-2.", min=1e-8)] = None,
    batch: Annotated[int, typer.Option(help="Examples a step.", min=1)] = 16,
    epochs: Annotated[int, typer.Option(help="Passes over the labels.", min=1)] = 1,
    separator: Annotated[str, typer.Option(help="What ends a step.")] = "\n",
    seed: Seed = 0,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    as_json: Json = False,
) -> None:
    """Train a verifier from step labels or outcomes."""
    from ponder.commands import verifier
    from ponder.commands.assemble import set_threads
    from ponder.commands.progress import Bars

    set_threads(0)
    request = verifier.Request(
        kind=kind,
        out=out,
        model=model,
        labels=labels,
        problems=tuple(problems.split(",")),
        groups=groups,
        trunk=trunk,
        hard=hard,
        aggregation=aggregation,
        critiques=critiques,
        own_critiques=own_critiques,
        learning_rate=learning_rate,
        batch=batch,
        epochs=epochs,
        separator=separator,
        seed=seed,
        device=device,
    )
    with Bars(quiet=as_json) as bars:
        found = verifier.train(request, lambda done, total, note: bars.tell("verifier", done, total, note))
    if as_json:
        _print_json(found)
        return
    Console().print(verifier.shown(found))


@verifier_app.command("audit")
def audit_verifier(
    verifier: Annotated[str, typer.Option(help="Folder of a trained verifier, or truth (with a noise dial).")],
    out: Annotated[Path, typer.Option(help="Folder of audit.json, samples.jsonl, audit.html and audit.png.")],
    model: Model = "tiny",
    problems: Specs = "arithmetic,cipher,countdown",
    split: Annotated[str, typer.Option(help="train, validation or test.")] = "test",
    limit: Annotated[int, typer.Option(help="Problems of each family.")] = 60,
    samples: Annotated[int, typer.Option(help="Answers to each problem.")] = 24,
    thresholds: Annotated[str, typer.Option(help="Comma-separated; the first one accepts and rejects.")] = "0.5",
    false_accept: Annotated[float, typer.Option(help="Noise: share of refusals turned.", min=0, max=1)] = 0.0,
    false_reject: Annotated[float, typer.Option(help="Noise: share of acceptances turned.", min=0, max=1)] = 0.0,
    noise_per: Annotated[str, typer.Option(help="Noise drawn for each answer or each call.")] = "answer",
    seed: Seed = 0,
    temperature: Temperature = 1.0,
    max_tokens: MaxTokens = 400,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    as_json: Json = False,
) -> None:
    """What a verifier gets wrong, what it caps, and how many samples are worth paying for."""
    from ponder.commands import audit
    from ponder.commands.assemble import set_threads
    from ponder.commands.progress import Bars
    from ponder.verifiers.noise import Noise

    try:
        cuts = tuple(float(part) for part in thresholds.split(","))
    except ValueError:
        raise PonderError(f"--thresholds {thresholds!r} is not a comma-separated list of numbers") from None
    set_threads(0)
    request = audit.Request(
        verifier=verifier,
        out=out,
        model=model,
        problems=tuple(problems.split(",")),
        split=split,
        limit=limit,
        samples=samples,
        thresholds=cuts,
        noise=Noise(false_accept, false_reject, noise_per, seed),  # type: ignore[arg-type]  # checked by Noise
        seed=seed,
        temperature=temperature,
        max_tokens=max_tokens,
        device=device,
    )
    with Bars(quiet=as_json) as bars:
        found = audit.run(request, lambda done, total, note: bars.tell("audit", done, total, note))
    if as_json:
        _print_json(found)
        return
    Console().print(audit.shown(found))
    Console().print(f"Written: {out / 'audit.html'}, {out / 'audit.json'}, {out / 'audit.png'}")


@problems_app.command("list")
def list_problems(
    gym: Annotated[bool, typer.Option("--gym", help="The tasks of reasoning-gym too.")] = False, as_json: Json = False
) -> None:
    """Every family with its parameters."""
    from ponder.commands import problems as shown
    from ponder.problems import listing

    rows = listing.listed() + (listing.listed_gym() if gym else [])
    _print_json(rows) if as_json else Console().print(shown.families(rows))


@problems_app.command("show")
def show_problems(
    spec: Annotated[str, typer.Argument(help="For example countdown, arithmetic?terms=4, gym:chain_sum.")],
    n: Annotated[int, typer.Option("--n", help="How many.", min=1, max=1000)] = 3,
    split: Annotated[str, typer.Option(help="train, validation or test.")] = "train",
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Some problems of a family, with their keys."""
    from ponder.commands import problems as shown
    from ponder.problems import listing

    found = listing.shown(spec, n, split=split, seed=seed)
    _print_json(found) if as_json else Console().print(shown.problems(found))


@app.command()
def version(as_json: Json = False) -> None:
    """The version of Ponder."""
    _print_json({"version": ponder.__version__}) if as_json else Console().print(ponder.__version__)


def _print_json(value: Any) -> None:
    print(json.dumps(value, ensure_ascii=False, default=str))


def main() -> None:
    """Entry point: errors that a user can mend are one sentence on the error stream, and exit code 2."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    try:
        app()
    except PonderError as error:
        Console(stderr=True, soft_wrap=True).print(f"[bold red]error[/]: {_escaped(str(error))}", highlight=False)
        sys.exit(2)
    except KeyboardInterrupt:
        Console(stderr=True).print("stopped; what was finished is saved")
        sys.exit(130)


def _escaped(text: str) -> str:
    from rich.markup import escape

    return escape(text)


if __name__ == "__main__":
    main()
