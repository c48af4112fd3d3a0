"""The labelling methods by name: one judged group in, labelled trajectories out. A new method is one line here."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from ponder.labels.advantages import advantages
from ponder.labels.labelled import Labelled, implied, up_to_first_error
from ponder.labels.omega import omega
from ponder.labels.omega_pool import OmegaSettings
from ponder.labels.rest import rest_values
from ponder.labels.rollouts import Rollouts
from ponder.labels.shepherd import hard, shepherd
from ponder.names import pick
from ponder.types import Group


@dataclass(frozen=True, slots=True)
class Settings:
    """What the methods can be told. `n` are rollouts a prefix, `searches` and `best_of` are read where they apply."""

    n: int = 8
    searches: int = 100
    best_of: int = 1


@dataclass(frozen=True, slots=True)
class Method:
    """`label` takes the group, where rollouts come from, and settings.

    `correctness`: its labels call steps right or wrong and stop at the first error.
    """

    summary: str
    label: Callable[[Group, Rollouts, Settings], Coroutine[Any, Any, list[Labelled]]]
    correctness: bool = False


async def _shepherd(group: Group, rollouts: Rollouts, settings: Settings) -> list[Labelled]:
    return await shepherd(group, rollouts, n=settings.n)


async def _shepherd_hard(group: Group, rollouts: Rollouts, settings: Settings) -> list[Labelled]:
    return [up_to_first_error(hard(item)) for item in await shepherd(group, rollouts, n=settings.n)]


async def _omega(group: Group, rollouts: Rollouts, settings: Settings) -> list[Labelled]:
    items, _ = await omega(group, rollouts, OmegaSettings(rollouts=settings.n, searches=settings.searches))
    return items


async def _omega_hard(group: Group, rollouts: Rollouts, settings: Settings) -> list[Labelled]:
    found = await _omega(group, rollouts, settings)
    return [implied(item) for item in found if item.first_error is not None]


async def _rest(group: Group, _rollouts: Rollouts, _settings: Settings) -> list[Labelled]:
    return rest_values(group)


async def _advantages(group: Group, rollouts: Rollouts, settings: Settings) -> list[Labelled]:
    return await advantages(group, rollouts, n=settings.n, best_of=settings.best_of)


METHODS: dict[str, Method] = {
    "shepherd": Method("the share of right rollouts after every step", _shepherd),
    "shepherd-hard": Method("whether any rollout is right, up to the first error", _shepherd_hard, correctness=True),
    "omega": Method("binary search for the first error", _omega),
    "omega-hard": Method("every step up to that error, right before it and wrong at it", _omega_hard, correctness=True),
    "rest": Method("progress in the tree of responses", _rest),
    "advantages": Method("gain of each step under a prover", _advantages),
}


def method(name: str) -> Method:
    """The method of this name."""
    return pick("method", name, METHODS)
