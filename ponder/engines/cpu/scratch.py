"""Slots for the texts of one batch, in memory that the next batch uses again."""

from __future__ import annotations

import numpy as np
import torch

from ponder.engines.local.packed_weights import Packed
from ponder.engines.local.prefix.pages import in_large_pages
from ponder.engines.local.prefix.slots import rounded_up


class Scratch:
    """`Slots` in one piece of memory; `sized` cuts it anew, and what it held before is lost."""

    def __init__(self, weights: Packed) -> None:
        self._layers = len(weights.layers)
        self.heads = weights.shape.kv_heads, weights.shape.head_dim
        self._memory = torch.empty(2, self._layers, 0)
        self.length = 0
        self.pointers = np.zeros((2, self._layers), dtype=np.int64)

    def sized(self, slots: int, length: int) -> None:
        """So many slots of room for that many positions."""
        self.length = rounded_up(length)
        if (need := slots * self.length * self.heads[0] * self.heads[1]) > self._memory.shape[2]:
            self._memory = in_large_pages(torch.empty(2, self._layers, need))
            self.pointers = np.array([[line.data_ptr() for line in half] for half in self._memory], dtype=np.int64)
