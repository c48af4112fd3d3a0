"""A reader over a model's own trunk: what a verifier read before it does not compute again.

Fits the protocol `Reader` of the learned verifiers: token and sequence classifiers and causal models of the families
that `Trunk` computes. Texts are kept until memory is short (those read longest ago go first) or `forget` is called.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from transformers import PreTrainedModel

from ponder.engines.local import packed_weights as packed
from ponder.engines.local.prefix.tree import Tokens
from ponder.engines.local.prefix.trunk import Trunk
from ponder.models import lean

_FIRST = 1024  # tokens of the longest text that is prepared for; doubled when a longer one comes


class TrunkReader:
    """Hidden states of `model`, whose weights are taken as they are at the first reading, in `cache_bytes` of memory.

    A learner that changes the weights makes a new reader. A single text that is longer than the memory allows is read
    all the same.
    """

    context = sys.maxsize

    def __init__(self, model: PreTrainedModel, *, cache_bytes: int = 1 << 28) -> None:
        self._model, self._cache_bytes = model, cache_bytes
        self._longest, self._before = _FIRST, 0
        self._trunk: Trunk | None = None

    @property
    def computed(self) -> int:
        return self._before + (0 if self._trunk is None else self._trunk.tally.tokens)

    @property
    def bytes(self) -> int:
        """Memory of what is kept."""
        return 0 if self._trunk is None else self._trunk.arena.bytes

    async def read(self, texts: Sequence[Tokens], places: Sequence[Sequence[int]]) -> list[Tensor]:
        return self.states(texts, places)

    @torch.inference_mode()
    def states(self, texts: Sequence[Tokens], places: Sequence[Sequence[int]]) -> list[Tensor]:
        """The same at once: hidden states after the final norm at the places of each text, [places, hidden]."""
        trunk, found = self._ready(max(map(len, texts), default=0)), list[Tensor]()
        for part in _portions(trunk, texts):
            known = trunk.ensure(texts[part])
            for text, at in zip(known, places[part], strict=True):
                found.append(packed.final(trunk.hidden(text.cells[list(at)]), trunk.weights))
            for text in known:
                trunk.release(text.cells)
        return found

    def forget(self) -> None:
        if self._trunk is not None:
            self._trunk.forget()

    def _ready(self, longest: int) -> Trunk:
        """The trunk, laid out for texts of this length."""
        if self._trunk is None or longest > self._longest:
            self._before = self.computed
            while self._longest < longest:
                self._longest *= 2
            self._trunk = Trunk(self._model, self._longest, self._cache_bytes)
        return self._trunk


def reader_of(model: PreTrainedModel) -> TrunkReader | None:
    """A reader of this model; None for an architecture that the trunk does not compute."""
    return TrunkReader(model) if lean.supports(model) else None


def _portions(trunk: Trunk, texts: Sequence[Tokens]) -> Iterator[slice]:
    """Successive texts that have room together."""
    first = 0
    while first < len(texts):
        room, end = trunk.room - len(texts[first]), first + 1
        while end < len(texts) and len(texts[end]) <= room:
            room, end = room - len(texts[end]), end + 1
        yield slice(first, end)
        first = end
