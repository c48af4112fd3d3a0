"""What a cluster will take for a model: memory of each GPU, seconds an update, what saturates, what it costs."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from ponder.distributed.capacity.costs import PRICES, Price
from ponder.distributed.capacity.hardware import Accelerator
from ponder.distributed.capacity.pipeline import Load, Service, Shape
from ponder.distributed.capacity.simulate import Simulated, simulate
from ponder.types import PonderError

# Bytes a parameter of the learner: float32 master, gradient, two moments of AdamW; and the bfloat16 weights it reads.
_LEARNER, _WEIGHTS = 16.0, 2.0


@dataclass(frozen=True)
class Memory:
    """Bytes on one GPU of each kind."""

    engine_weights: float
    engine_cache: float
    learner: float


@dataclass(frozen=True)
class ClusterPlan:
    """Figures for one shape of cluster. `price` is dollars an hour for all GPUs, None where none is known."""

    shape: Shape
    load: Load
    service: Service
    memory: Memory | None
    found: Simulated
    gpus: int
    price: float | None

    @property
    def advice(self) -> str:
        """What to add to what works most."""
        share = self.found.busy[self.found.busiest]
        name = self.found.busiest
        more = {
            "engines": "add engines",
            "graders": "add graders",
            "learner": "give the learner more GPUs",
            "network": "a faster network between the nodes, or staleness, so that sampling goes on meanwhile",
            "driver": "more machines will not help: longer answers or larger groups make fewer requests a token",
        }[name]
        waits = " (nothing works half of the time: raise staleness.updates)" if share < 0.5 else ""
        return f"the {name} work{'' if name.endswith('s') else 's'} {share:.0%} of the time; {more}{waits}"

    def as_data(self) -> dict[str, Any]:
        found = {"step_seconds": self.found.step, "tokens_per_second": self.found.tokens, "busy": self.found.busy}
        return {
            "shape": asdict(self.shape),
            "load": {name: value for name, value in asdict(self.load).items() if name != "lengths"},
            "service": asdict(self.service),
            "memory": None if self.memory is None else asdict(self.memory),
            **found,
            "bottleneck": self.found.busiest,
            "gpus": self.gpus,
            "dollars_per_hour": self.price,
            "dollars_per_update": None if self.price is None else self.price * self.found.step / 3600.0,
            "advice": self.advice,
        }


def memory_of(parameters: float, cache: float, rows: int, context: float, one: Accelerator, learners: int) -> Memory:
    """Bytes on each GPU; PonderError with what would fit if the weights or the learner's share do not."""
    weights, share = _WEIGHTS * parameters, (_LEARNER + _WEIGHTS) * parameters / learners
    if weights > 0.85 * one.memory:
        raise PonderError(
            f"{parameters / 1e9:.3g}B parameters take {weights / 1e9:.3g} GB in bfloat16, and one {one.name} has "
            f"{one.memory / 1e9:g} GB; engines here hold a whole model each, so take a larger accelerator"
        )
    if share > 0.8 * one.memory:
        needed = int((_LEARNER + _WEIGHTS) * parameters / (0.8 * one.memory)) + 1
        raise PonderError(
            f"the learner's share is {share / 1e9:.3g} GB on each of {learners} {one.name}, which have "
            f"{one.memory / 1e9:g} GB; give --learners {needed}"
        )
    return Memory(weights, cache * context * rows, share)


def plan_of(
    service: Service,
    load: Load,
    shape: Shape,
    *,
    learners: int = 1,
    memory: Memory | None = None,
    one: Accelerator | None = None,
    price: float | None = None,
    seed: int = 0,
) -> ClusterPlan:
    """Simulate the shape. `price` is dollars a GPU hour (None: the middle of the table, where it has the GPU)."""
    gpus = shape.engines + learners if one is not None else 0
    known: Price | None = PRICES.get(one.name) if one is not None else None
    each = price if price is not None else (known.middle if known is not None else None)
    found = simulate(service, load, shape, seed=seed)
    return ClusterPlan(shape, load, service, memory, found, gpus, None if each is None else each * gpus)
