"""How many tokens a second this machine could sample at most: what its memory delivers, what its products reach.

A decode step reads every weight once, however many rows it serves; each token costs the operations of a forward pass.
Both rates are measured here: the best of several passes over a matrix that no cache holds, times a vector, and
of large products (`selfplay.accounts.peak`). Keys and values and everything between products are left out, so no engine
reaches its limit.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cache

import torch
from transformers import PreTrainedModel

from ponder.models.size import flops_per_token
from ponder.selfplay.accounts import peak

_NUMBERS = 1 << 26  # 256 MB in float32
_PASSES = 8


@dataclass(frozen=True)
class Limits:
    """Tokens a second with so many rows: `memory` reads the weights once a step, `products` computes every token."""

    memory: float
    products: float

    @property
    def least(self) -> float:
        """The one that binds."""
        return min(self.memory, self.products)


def limits(model: PreTrainedModel, rows: int, context: int) -> Limits:
    """Of a float32 model on the CPU with torch's present threads; `context` tokens are looked at on average."""
    weights = sum(p.nbytes for p in model.parameters())
    rate = peak(model.config, "cpu", torch.float32).flops_per_second
    return Limits(rows * bandwidth(torch.get_num_threads()) / weights, rate / flops_per_token(model.config, context))


@cache
def bandwidth(threads: int) -> float:
    """Bytes a second that `threads` threads, which torch has now, read at best."""
    assert threads == torch.get_num_threads()
    matrix, vector = torch.ones(_NUMBERS >> 12, 1 << 12), torch.ones(1 << 12)
    best = float("inf")
    for _ in range(_PASSES):
        started = time.perf_counter()
        torch.mv(matrix, vector)
        best = min(best, time.perf_counter() - started)
    return matrix.nbytes / best
