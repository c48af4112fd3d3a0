"""How large a cluster must be, before it is paid for: `ponder cluster plan`."""

from __future__ import annotations

from pathlib import Path

from ponder.api.training.forecast.memory import skeleton
from ponder.distributed.capacity import measured
from ponder.distributed.capacity.hardware import accelerator, cache_bytes, service_of
from ponder.distributed.capacity.pipeline import Load, Shape
from ponder.distributed.capacity.plan import ClusterPlan, memory_of, plan_of
from ponder.models.load import config_of
from ponder.types import PonderError


def plan_cluster(
    model: str,
    gpu: str,
    *,
    engines: int,
    learners: int = 1,
    graders: int = 0,
    staleness: int = 0,
    problems: int = 64,
    group: int = 8,
    prompt: float = 256.0,
    mean: float = 1024.0,
    spread: float = 0.7,
    longest: int = 4096,
    price: float | None = None,
) -> ClusterPlan:
    """Memory, seconds an update, what works most and what it costs, by data sheets of `gpu` and a simulation.

    `model` is a folder or a hub id, of which the configuration is read and no weights; lengths are in tokens. Expect
    the seconds within a factor of two: `plan_like` takes them from a run. Raises PonderError for what cannot fit.
    """
    import torch

    _check(engines, learners, problems, group)
    config, one = config_of(model), accelerator(gpu)
    parameters = float(sum(p.numel() for p in skeleton(model, torch.bfloat16).parameters()))
    context = prompt + mean / 2
    service = service_of(config, parameters, one, context=context, learners=learners)
    load = Load(problems, group, prompt, mean, spread, longest)
    under_way = min(service.rows, -(-load.answers // engines))
    memory = memory_of(parameters, cache_bytes(config), under_way, context, one, learners)
    shape = Shape(engines, graders, staleness)
    return plan_of(service, load, shape, learners=learners, memory=memory, one=one, price=price)


def plan_like(run: Path, *, engines: int, graders: int = 0, staleness: int = 0) -> ClusterPlan:
    """The same load as that of the run in folder `run`, on `engines` engines as fast as its own."""
    _check(engines, 1, 1, 1)
    service, load = measured.of_run(run)
    return plan_of(service, load, Shape(engines, graders, staleness))


def _check(engines: int, learners: int, problems: int, group: int) -> None:
    if min(engines, learners, problems, group) < 1:
        raise PonderError(
            f"engines={engines}, learners={learners}, problems={problems}, group={group}: each must be at least 1"
        )
