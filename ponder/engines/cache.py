"""Keys and values of every active row, in one tensor a layer."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ponder.models.lean import Shape

_LENGTH_STEP = 64


class SlotCache:
    """`layers[i]` is [2, slots, kv_heads, length, head_dim], keys before values. Slot b belongs to row b.

    The tensors grow with the rows and the lengths that are really used, so that a short generation of a model with a
    long context stays small. New memory is zeroed: masked positions meet a weight of zero, and zero times what
    uninitialised memory may hold (infinity) would not be zero.
    """

    def __init__(self, layers: int, shape: Shape, dtype: torch.dtype, device: torch.device, max_bytes: int) -> None:
        self._count = layers
        self._shape = shape
        self._options = {"dtype": dtype, "device": device}
        self._max_bytes = max_bytes
        self.bytes_per_token = 2 * layers * shape.kv_heads * shape.head_dim * torch.empty((), dtype=dtype).element_size()
        self.clear()

    def clear(self) -> None:
        self.slots = 0
        self.length = 0
        self.layers = [self._allocate(0, 0) for _ in range(self._count)]

    def rows(self, length: int) -> int:
        """How many rows of `length` tokens fit into the byte limit; at least one, or nothing could ever run."""
        return max(1, self._max_bytes // (_round_up(length) * self.bytes_per_token))

    def reserve(self, slots: int, length: int, kept: int) -> None:
        """Make room for that many slots and positions; the first `kept` slots keep what they hold."""
        if slots <= self.slots and length <= self.length:
            return
        new_length = max(self.length, _round_up(length))
        spacious = max(self.slots, 1 << (slots - 1).bit_length())
        new_slots = spacious if spacious <= self.rows(new_length) else slots
        for i, old in enumerate(self.layers):
            new = self._allocate(new_slots, new_length)
            new[:, :kept, :, : self.length] = old[:, :kept]
            self.layers[i] = new
        self.slots, self.length = new_slots, new_length

    def copy(self, sources: Sequence[int], targets: Sequence[int], length: int) -> None:
        """Copy the first `length` positions of slots into other slots; no slot is both."""
        if sources:
            for layer in self.layers:
                layer[:, targets, :, :length] = layer[:, sources, :, :length]

    def _allocate(self, slots: int, length: int) -> Tensor:
        return torch.zeros(2, slots, self._shape.kv_heads, length, self._shape.head_dim, **self._options)


def _round_up(length: int) -> int:
    return -(-length // _LENGTH_STEP) * _LENGTH_STEP
