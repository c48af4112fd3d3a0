"""Options of the commands on verifiers that learn: `verifier train`, `verifier audit`."""

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
    Overwrite,
    Seed,
    Separator,
    Specs,
    Split,
    Temperature,
    names,
    print_json,
    watched,
)
from ponder.commands.terminal import Terminal
from ponder.types import PonderError


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
    depth: Annotated[
        float, typer.Option(help="Share of the layers that a separate trunk keeps: as much cheaper to ask.", max=1)
    ] = 1.0,
    hard: Annotated[bool, typer.Option("--hard", help="Hard labels for kind process.")] = False,
    aggregation: Annotated[str | None, typer.Option(help="last, min, product, mean or rank.")] = None,
    critiques: Annotated[int, typer.Option(help="Critiques a judgement, for kind generative.", min=0)] = 0,
    own_critiques: Annotated[bool, typer.Option("--own-critiques", help="Learn from its own that agree.")] = False,
    learning_rate: Annotated[float | None, typer.Option(help="AdamW's rate: 5e-4, frozen 1e-2.", min=1e-8)] = None,
    batch: Annotated[int, typer.Option(help="Examples a step.", min=1)] = 16,
    epochs: Annotated[int, typer.Option(help="Passes over the labels.", min=1)] = 1,
    separator: Separator = "\n",
    seed: Seed = 0,
    device: Device = "cpu",
    as_json: Json = False,
) -> None:
    """Train a verifier from step labels or outcomes."""
    from ponder.api.verifiers import training
    from ponder.api.verifiers.request import Request
    from ponder.commands import verifier as printed

    request = Request(
        kind=kind,
        out=out,
        model=model,
        labels=labels,
        problems=names(problems),
        groups=groups,
        trunk=trunk,
        depth=depth,
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
    found = watched("verifier", as_json, lambda tell: training.train(request, tell))
    if as_json:
        print_json(found)
        return
    Terminal().print(printed.shown(found))


def audit_verifier(
    verifier: Annotated[str, typer.Option(help="Folder of a trained verifier, or truth (with a noise dial).")],
    out: Annotated[Path, typer.Option(help="Folder of audit.json, samples.jsonl, audit.html and audit.png.")],
    model: Model = "tiny",
    problems: Specs = "arithmetic,cipher,countdown",
    split: Split = "test",
    limit: Limit = 60,
    samples: Annotated[int, typer.Option(help="Answers to each problem.")] = 24,
    thresholds: Annotated[str, typer.Option(help="Comma-separated; the first one accepts and rejects.")] = "0.5",
    false_accept: Annotated[float, typer.Option(help="Noise: share of refusals turned.", min=0, max=1)] = 0.0,
    false_reject: Annotated[float, typer.Option(help="Noise: share of acceptances turned.", min=0, max=1)] = 0.0,
    noise_per: Annotated[str, typer.Option(help="Noise drawn for each answer or each call.")] = "answer",
    seed: Seed = 0,
    temperature: Temperature = 1.0,
    max_tokens: MaxTokens = 400,
    device: Device = "cpu",
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """What a verifier gets wrong, what it caps, and how many samples are worth paying for."""
    from ponder.api import audit
    from ponder.commands import audit as printed
    from ponder.verifiers.noise import Noise

    try:
        cuts = tuple(float(part) for part in thresholds.split(","))
    except ValueError:
        raise PonderError(f"--thresholds {thresholds!r} is not a comma-separated list of numbers") from None
    request = audit.Request(
        verifier=verifier,
        out=out,
        model=model,
        problems=names(problems),
        split=split,
        limit=limit,
        samples=samples,
        thresholds=cuts,
        noise=Noise(false_accept, false_reject, noise_per, seed),  # type: ignore[arg-type]  # checked by Noise
        seed=seed,
        temperature=temperature,
        max_tokens=max_tokens,
        device=device,
        overwrite=overwrite,
    )
    found = watched("audit", as_json, lambda tell: audit.run(request, tell))
    if as_json:
        print_json(found)
        return
    Terminal().print(printed.shown(found))
    Terminal().print(f"Written: {out / 'audit.html'}, {out / 'audit.json'}, {out / 'audit.png'}")
