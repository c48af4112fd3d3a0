"""What the scheduler asks of a decoder: rows that each hold the cache of one text and advance by one token a step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ponder.engines.local.work_counter import Tally


@dataclass(frozen=True)
class Prefill:
    """The outcome of taking prompts in: the logits after each prompt, and how many of its tokens the model computed.

    The tokens of a prompt that were not computed came out of a cache.
    """

    logits_BV: Tensor
    computed: tuple[int, ...]


@dataclass(frozen=True)
class Kept:
    """Distinct tokens that are known, the bytes of those cells, and the memory taken for cells and for running rows.

    `weight_memory` is that of copies of the weights that are laid out for the decoder.
    """

    tokens: int
    token_bytes: int
    cell_memory: int
    row_memory: int
    weight_memory: int = 0


class Decoder(Protocol):
    """Rows 0 to `active`-1 are active. `continuous` says whether prompts may join while other rows are under way."""

    continuous: bool

    @property
    def compiled(self) -> bool:
        """Whether forwards run as machine code of our own."""
        ...

    @property
    def active(self) -> int: ...

    @property
    def tally(self) -> Tally: ...

    @property
    def room(self) -> int:
        """How many tokens of prompts may be taken in now."""
        ...

    @property
    def kept(self) -> Kept:
        """What is remembered and what it takes."""
        ...

    def rows(self, length: int) -> int:
        """How many rows of up to `length` tokens the cache may hold."""
        ...

    def prefill(self, prompts: Sequence[tuple[int, ...]]) -> Prefill:
        """Take distinct prompts into rows of their own, behind the active ones."""
        ...

    def decode(self, tokens_B: NDArray[np.int64], positions_B: NDArray[np.int64]) -> Tensor:
        """Append one token to each active row, at its position; logits [B, V] of the next."""
        ...

    def select(self, order: Sequence[int]) -> None:
        """From now on row i is what row `order[i]` was. A row named twice forks; a row not named ends."""
        ...

    def score(self, prompts: Sequence[tuple[int, ...]], continuations: Sequence[tuple[int, ...]]) -> list[list[float]]:
        """Log-probabilities of each continuation after its prompt, at temperature 1."""
        ...

    def hidden(self, texts: Sequence[tuple[int, ...]], positions: Sequence[Sequence[int]]) -> list[Tensor]:
        """What a head reads at these positions of each text, [n, hidden]: hidden states after the final norm."""
        ...

    def refresh(self) -> None:
        """Derive again what hangs on the weights, which were just replaced."""
        ...

    def drop_weights(self) -> None:
        """Give back what was derived from the weights, while no row is active; `refresh` comes before anything else."""
        ...

    def forget(self) -> None:
        """Forget every text, while no row is active; the memory stays for the next ones."""
        ...

    def reset(self) -> None:
        """Forget every row and text and give the memory back, after a failure."""
        ...
