"""The labelling methods by name: one judged group in, labelled trajectories out. A new method is one line here."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from ponder.labels.advantages import advantages
from ponder.labels.first_error import up_to_first_error
from ponder.labels.omega import omega
from ponder.labels.omega_pool import OmegaSettings
from ponder.labels.rest import rest_values
from ponder.labels.rollouts import Rollouts
from ponder.labels.shepherd import hard, shepherd
from ponder.rollout.step_labels import Labelled
from ponder.types import Group, PonderError

Found = list[tuple[Labelled, tuple[float, ...]]]  # each with the advantages of its steps, or ()


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
    label: Callable[[Group, Rollouts, Settings], Coroutine[Any, Any, Found]]
    correctness: bool = False


async def _shepherd(group: Group, rollouts: Rollouts, settings: Settings) -> Found:
    return [(item, ()) for item in await shepherd(group, rollouts, n=settings.n)]


async def _shepherd_hard(group: Group, rollouts: Rollouts, settings: Settings) -> Found:
    return [(up_to_first_error(hard(item)), ()) for item in await shepherd(group, rollouts, n=settings.n)]


async def _omega(group: Group, rollouts: Rollouts, settings: Settings) -> Found:
    items, _ = await omega(group, rollouts, OmegaSettings(rollouts=settings.n, searches=settings.searches))
    return [(item, ()) for item in items]


async def _rest(group: Group, _rollouts: Rollouts, _settings: Settings) -> Found:
    return [(item, ()) for item in rest_values(group)]


async def _advantages(group: Group, rollouts: Rollouts, settings: Settings) -> Found:
    found = await advantages(group, rollouts, n=settings.n, best_of=settings.best_of)
    return [(item.labelled, item.advantages_S) for item in found]


METHODS: dict[str, Method] = {
    "shepherd": Method("the share of right rollouts after every step", _shepherd),
    "shepherd-hard": Method("whether any rollout is right, up to the first error", _shepherd_hard, correctness=True),
    "omega": Method("binary search for the first error", _omega),
    "rest": Method("progress in the tree of responses", _rest),
    "advantages": Method("gain of each step under a prover", _advantages),
}


def method(name: str) -> Method:
    """The method of this name."""
    if name not in METHODS:
        raise PonderError(f"method {name!r}: there is no such one; choose {', '.join(METHODS)}")
    return METHODS[name]
