"""Options of the commands on clusters: `cluster plan`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ponder.commands.options.shared import Json, print_json
from ponder.commands.terminal import Terminal


def plan(
    model: Annotated[str, typer.Option(help="A model folder or hub id; only its configuration is read.")] = "tiny",
    gpu: Annotated[str, typer.Option(help="a100, l40s, h100, h200 or mi300x.")] = "h100",
    like: Annotated[
        Path | None, typer.Option(help="Take load and times from this run folder, in place of a model and a GPU.")
    ] = None,
    engines: Annotated[int, typer.Option(help="Engines, one GPU each.", min=1)] = 8,
    learners: Annotated[int, typer.Option(help="GPUs of the learner.", min=1)] = 1,
    graders: Annotated[int, typer.Option(help="Graders; 0: the driver grades.", min=0)] = 0,
    staleness: Annotated[int, typer.Option(help="Updates that sampling runs ahead.", min=0)] = 0,
    problems: Annotated[int, typer.Option(help="Problems an update.", min=1)] = 64,
    group: Annotated[int, typer.Option(help="Answers a problem.", min=1)] = 8,
    prompt: Annotated[float, typer.Option(help="Tokens of a prompt.", min=0)] = 256.0,
    mean: Annotated[float, typer.Option(help="Mean tokens of an answer.", min=1)] = 1024.0,
    spread: Annotated[float, typer.Option(help="Deviation of that over its mean.", min=0)] = 0.7,
    longest: Annotated[int, typer.Option(help="Most tokens of an answer.", min=1)] = 4096,
    price: Annotated[float | None, typer.Option(help="Dollars a GPU hour; a table's middle unless given.")] = None,
    as_json: Json = False,
) -> None:
    """What a cluster takes for a model: memory, seconds an update, what saturates first, cost. Nothing is started."""
    from ponder.api.training.forecast.cluster import plan_cluster, plan_like
    from ponder.commands.planned import cluster

    if like is not None:
        found = plan_like(like, engines=engines, graders=graders, staleness=staleness)
    else:
        found = plan_cluster(
            model,
            gpu,
            engines=engines,
            learners=learners,
            graders=graders,
            staleness=staleness,
            problems=problems,
            group=group,
            prompt=prompt,
            mean=mean,
            spread=spread,
            longest=longest,
            price=price,
        )
    print_json(found.as_data()) if as_json else Terminal().print(cluster(found), highlight=False)
