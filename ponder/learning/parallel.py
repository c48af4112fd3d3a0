"""How a step is divided over the ranks of a learner group. One process does all of it itself.

All ranks know all rows, so weights and micro-batches are the same everywhere; each rank computes its share. The numbers
of forward passes must be equal, for a sharded model gathers its weights in each. What is measured on the way is
gathered from all ranks, so that every rank reports the update of the whole group and leaves out the same steps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from ponder.learning.packed.layout import Group, Row

Micro = Sequence[Group]
T = TypeVar("T")


class Parallel(Protocol):
    """`ranks` of the group. `scale` goes on a rank's loss, so that the group's gradient is the sum over all rows."""

    @property
    def ranks(self) -> int: ...

    @property
    def scale(self) -> float: ...

    def share(self, micros: Sequence[Micro]) -> list[Micro]:
        """The micro-batches of this rank, as many as on every other; those that are none of `micros` only fill up."""
        ...

    def gather(self, value: T) -> list[T]:
        """The values of all ranks, in their order. All ranks must call it."""
        ...


class Single:
    """One process: everything is its own."""

    ranks = 1
    scale = 1.0

    def share(self, micros: Sequence[Micro]) -> list[Micro]:
        return list(micros)

    def gather(self, value: T) -> list[T]:
        return [value]


class Ranks:
    """Rank `rank` of `ranks`: every so-manieth micro-batch, filled up with one that weighs nothing.

    `scale` is the number of ranks, since FSDP2 averages gradients over them. `gathered` gives a value of each rank.
    """

    def __init__(self, rank: int, ranks: int, gathered: Callable[[Any], list[Any]]) -> None:
        self.rank, self.ranks, self.scale, self._gathered = rank, ranks, float(ranks), gathered

    def share(self, micros: Sequence[Micro]) -> list[Micro]:
        own = list(micros[self.rank :: self.ranks])
        rounds = -(-len(micros) // self.ranks)
        return own + [weightless(micros[0])] * (rounds - len(own))

    def gather(self, value: T) -> list[T]:
        return self._gathered(value)


def weightless(micro: Micro) -> Micro:
    """The same rows with weight zero: a pass that adds nothing to the gradient."""
    return [Group(tuple(Row(row.sample, 0.0) for row in group.rows)) for group in micro]
