"""What the scheduler asks of a decoder: rows that each hold the cache of one text and advance by one token a step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True)
class Prefill:
    """The outcome of taking prompts in: the logits after each prompt, and how many of its tokens the model computed.

    The tokens of a prompt that were not computed came out of a cache.
    """

    logits_BV: Tensor
    computed: tuple[int, ...]


class Decoder(Protocol):
    """Rows 0 to n-1 are active. `continuous` says whether prompts may join while other rows are under way."""

    continuous: bool

    def rows(self, length: int) -> int:
        """How many rows of up to `length` tokens the cache may hold."""
        ...

    def prefill(self, prompts: Sequence[tuple[int, ...]], rows: Sequence[int]) -> Prefill:
        """Take prompts into these free rows; the others stay as they are."""
        ...

    def decode(self, tokens_B: NDArray[np.int64], positions_B: NDArray[np.int64]) -> Tensor:
        """Append one token to each active row, at its position; logits [B, V] of the next."""
        ...

    def compact(self, order: Sequence[int]) -> None:
        """Keep only the rows named in `order`, so that row i is what row `order[i]` was; most stay where they are."""
        ...

    def score(self, prompts: Sequence[tuple[int, ...]], continuations: Sequence[tuple[int, ...]]) -> list[list[float]]:
        """Log-probabilities of each continuation after its prompt, at temperature 1."""
        ...

    def refresh(self) -> None:
        """Derive again what hangs on the weights, which were just replaced."""
        ...

    def reset(self) -> None:
        """Forget every row, after a failure."""
        ...
