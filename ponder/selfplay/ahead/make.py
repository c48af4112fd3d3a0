"""The sampler of a run, put together from its settings."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from torch import Tensor

from ponder.engines.publish import publish
from ponder.selfplay.ahead.sampler import Batch, Sampler
from ponder.selfplay.config import Run
from ponder.selfplay.roles import Generator
from ponder.types import Group

# Draws the answers for an update of a round, running coroutines by the function it is given; also what was measured.
Drawn = Callable[[int, int, Callable[[Coroutine[Any, Any, Any]], Any]], tuple[list[Group], dict[str, float]]]


def sampler_of(config: Run, generator: Generator, drawn: Drawn) -> Sampler | None:
    """What draws while the policy learns; None where each update draws its own answers (staleness.updates=0)."""
    if not config.staleness.updates:
        return None

    def draw(number: int, run: Callable[[Coroutine[Any, Any, Any]], Any]) -> Batch:
        return Batch(*drawn(*divmod(number, config.updates), run))

    def live(weights: Mapping[str, Tensor], version: int) -> Coroutine[Any, Any, None]:
        return publish(generator.engine, weights, version, generator.model.config)

    return Sampler(config.staleness, draw, generator.engine, live, config.rounds * config.updates)
