"""Options of the commands that judge what was answered: `label`, `grade`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ponder.commands.options.shared import (
    Device,
    Json,
    Limit,
    MaxTokens,
    Model,
    Seed,
    Separator,
    Specs,
    Split,
    Temperature,
    UnsafeCode,
    names,
    print_json,
    watched,
)
from ponder.commands.terminal import Terminal


def label(
    out: Annotated[Path, typer.Option(help="Folder of labels.parquet, its journal and label.json.")],
    model: Model = "tiny",
    problems: Specs = "arithmetic,cipher,countdown",
    split: Split = "train",
    limit: Limit = 100,
    method: Annotated[
        str, typer.Option(help="shepherd, shepherd-hard, omega, omega-hard, rest or advantages.")
    ] = "omega",
    responses: Annotated[int, typer.Option(help="Responses a problem.", min=1)] = 8,
    rollouts: Annotated[int, typer.Option(help="Rollouts after a prefix.", min=1)] = 8,
    searches: Annotated[int, typer.Option(help="Most searches a problem (omega).", min=1)] = 100,
    prover: Annotated[str | None, typer.Option(help="Model that draws the rollouts; --model unless given.")] = None,
    best_of: Annotated[int, typer.Option(help="The prover's best of K (advantages).", min=1)] = 1,
    judge: Annotated[Path | None, typer.Option(help="Verifier folder: keep only what it agrees with.")] = None,
    budget: Annotated[float | None, typer.Option(help="Token-equivalents a problem; no limit unless given.")] = None,
    separator: Separator = "\n",
    seed: Seed = 0,
    temperature: Temperature = 1.0,
    max_tokens: MaxTokens = 400,
    device: Device = "cpu",
    resume: Annotated[bool, typer.Option("--resume", help="Continue the job in --out.")] = False,
    allow_unsafe_code: UnsafeCode = False,
    as_json: Json = False,
) -> None:
    """Label the steps of a model's responses by rollouts."""
    from ponder.api import labelling
    from ponder.commands import label as printed

    request = labelling.Request(
        model=model,
        problems=names(problems),
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
    summary = watched("label", as_json, lambda tell: labelling.label(request, tell))
    if as_json:
        print_json(summary)
    else:
        Terminal().print(printed.table(summary))
        Terminal().print(f"Written: {summary['file']}")


def convert_labels(
    form: Annotated[str, typer.Argument(help="math-shepherd, math-aps or prm800k.")],
    file: Annotated[Path, typer.Argument(help="A file of that data set: JSON lines, or one JSON list.")],
    out: Annotated[Path, typer.Option(help="The label file to write (Parquet).")],
    model: Model = "tiny",
    separator: Separator = "\n",
    as_json: Json = False,
) -> None:
    """Give other people's step labels the tokens of a model, so that a verifier can learn from them."""
    from ponder.api.converting import convert_labels as convert

    found = convert(form, file, out, model=model, separator=separator.replace("\\n", "\n"))
    if as_json:
        print_json(found)
        return
    left = f", {found['too_long']} too long for the model left out" if found["too_long"] else ""
    Terminal().print(f"{found['rows']} responses, {found['labels']} labels{left}. Written: {found['file']}")


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
        Terminal(stderr=True, soft_wrap=True).print(str(stop) or "stopped before a row was graded", highlight=False)
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
        print_json(report)
        return
    accuracy = "no row could be judged" if counts.accuracy is None else f"accuracy {counts.accuracy:.1%}"
    failed = ", ".join(f"{count} {name}" for name, count in counts.failures.items()) or "no failures"
    Terminal().print(f"{counts.rows} rows: {counts.right} right, {counts.wrong} wrong, {failed}; {accuracy}. {target}")
