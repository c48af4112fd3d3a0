"""Slots for the texts of one batch, in memory that the next batch uses again."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ponder.engines.cache import rounded_up
from ponder.engines.native.slots import TILE, tiled
from ponder.engines.packed import Packed
from ponder.engines.pages import in_large_pages


class Scratch:
    """Keys and values of all layers in one piece; `sized` cuts it into slots, what it held before is lost."""

    def __init__(self, weights: Packed) -> None:
        self._sizes = len(weights.layers), weights.shape.kv_heads, weights.shape.head_dim
        self._memory = torch.empty(2, len(weights.layers), 0)
        self.slots = self.length = 0
        self.pointers = np.zeros((2, 0), dtype=np.int64)

    def sized(self, slots: int, length: int) -> None:
        """So many slots of room for that many positions."""
        layers, kv_heads, dim = self._sizes
        length = rounded_up(length)
        if (need := slots * length * kv_heads * dim) > self._memory.shape[2]:
            self._memory = in_large_pages(torch.empty(2, layers, need))
            lines = [[line.data_ptr() for line in half] for half in self._memory]
            self.pointers = np.array(lines, dtype=np.int64)
        self.slots, self.length = slots, length

    def load(self, kv: Tensor) -> None:
        """What is known of each slot's text [slots, T, layers, K, 2, D], padded behind."""
        layers, kv_heads, dim = self._sizes
        shape, need = (layers, self.slots, kv_heads), self.slots * self.length * kv_heads * dim
        keys, values = self._memory[:, :, :need]
        known = kv.permute(4, 2, 0, 3, 1, 5)  # [2, layers, slots, K, T, D]
        keys.view(*shape, -1, dim, TILE)[:, :, :, : -(-kv.shape[1] // TILE)] = tiled(known[0])
        values.view(*shape, self.length, dim)[..., : kv.shape[1], :] = known[1]
