"""What shows a judge the hidden states of texts, and remembers those that it showed.

Two kinds: over a verifier's own trunk (`engines/local/prefix/reader`), and over the engine that draws for the policy,
where the trunk is shared and the states of a trajectory are there once it was drawn.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from torch import Tensor

from ponder.protocols import HiddenEngine

Tokens = tuple[int, ...]
Places = Sequence[Sequence[int]]  # positions in each of several texts


class Reader(Protocol):
    """Hidden states of one model, out of a memory of what it read before."""

    @property
    def context(self) -> int:
        """The longest text it reads, in tokens."""
        ...

    @property
    def computed(self) -> int:
        """Tokens that went through the model for this reader so far."""
        ...

    async def read(self, texts: Sequence[Tokens], places: Places) -> list[Tensor]:
        """Hidden states after the final norm at the places of each text, [places, hidden]."""
        ...

    def forget(self) -> None:
        """Forget every text."""
        ...


class EngineReader:
    """`Reader` over an engine that others use too, which counts and bounds by itself what it computes and keeps."""

    computed = 0

    def __init__(self, engine: HiddenEngine) -> None:
        self._engine = engine

    @property
    def context(self) -> int:
        return self._engine.context

    async def read(self, texts: Sequence[Tokens], places: Places) -> list[Tensor]:
        return list(await asyncio.gather(*map(self._engine.hidden, texts, places)))

    def forget(self) -> None:
        """Nothing: the texts are the engine's."""
