"""Keys and values of every active row, in two tensors a layer."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ponder.models.lean import Shape


class SlotCache:
    """`keys[i]` is [slots * kv_heads, head_dim, length], `values[i]` [slots * kv_heads, length, head_dim].

    Keys lie transposed because a product of few queries with [D, T] reads memory in order, which is twice as fast.
    The tensors grow with the rows and lengths that are really used, so that a short generation of a model with a long
    context stays small. New memory is zeroed: masked positions meet a weight of zero, and zero times what uninitialised
    memory may hold (infinity) would not be zero.
    """

    def __init__(
        self, layers: int, shape: Shape, dtype: torch.dtype, device: torch.device, max_slots: int, max_bytes: int
    ) -> None:
        self._shape = shape
        self._max_slots = max_slots
        self._dtype = dtype
        self._device = device
        self._max_bytes = max_bytes
        self._bytes_per_token = 2 * layers * shape.kv_heads * shape.head_dim * dtype.itemsize
        self._layers = layers
        self.clear()

    def clear(self) -> None:
        """Give the memory back."""
        self.slots = 0
        self.length = 0
        self.keys = [self._allocate(0, 0, transposed=True) for _ in range(self._layers)]
        self.values = [self._allocate(0, 0, transposed=False) for _ in range(self._layers)]

    def rows(self, length: int) -> int:
        """How many rows of `length` tokens fit into the limits; at least one, or nothing could ever run."""
        return max(1, min(self._max_slots, self._max_bytes // (_round_up(length) * self._bytes_per_token)))

    def reserve(self, slots: int, length: int) -> None:
        """Make room for that many slots and positions; what the slots hold stays.

        Grows by half at least, so that a long generation copies its cache a few times and not at every block.
        """
        if slots <= self.slots and length <= self.length:
            return
        new_length = self.length if length <= self.length else _round_up(max(length, self.length * 3 // 2))
        if self.rows(new_length) < slots:
            new_length = _round_up(length)
        new_slots = max(slots, min(max(self.slots, 2 * slots), self.rows(new_length)))
        kept = min(self.slots, new_slots) * self._shape.kv_heads
        for i in range(self._layers):
            keys, values = self._allocate(new_slots, new_length, True), self._allocate(new_slots, new_length, False)
            keys[:kept, :, : self.length] = self.keys[i][:kept]
            values[:kept, : self.length] = self.values[i][:kept]
            self.keys[i], self.values[i] = keys, values
        self.slots, self.length = new_slots, new_length

    def write(self, layer: int, slots: Sequence[int], keys: Tensor, values: Tensor) -> None:
        """Keys and values [B, K, T, D] into the first T positions of slots."""
        heads, length = self._heads(slots), keys.shape[2]
        self.keys[layer][heads, :, :length] = keys.flatten(0, 1).transpose(1, 2)
        self.values[layer][heads, :length] = values.flatten(0, 1)

    def copy(self, sources: Sequence[int], targets: Sequence[int], length: int) -> None:
        """Copy the first `length` positions of slots into other slots; no slot is both."""
        if not sources:
            return
        read, written = self._heads(sources), self._heads(targets)
        for keys, values in zip(self.keys, self.values, strict=True):
            keys[written, :, :length] = keys[read, :, :length]
            values[written, :length] = values[read, :length]

    def _heads(self, slots: Sequence[int]) -> Tensor:
        first = torch.tensor(slots, device=self._device)[:, None] * self._shape.kv_heads
        return (first + torch.arange(self._shape.kv_heads, device=self._device)).flatten()

    def _allocate(self, slots: int, length: int, transposed: bool) -> Tensor:
        sides = (self._shape.head_dim, length) if transposed else (length, self._shape.head_dim)
        return torch.zeros(slots * self._shape.kv_heads, *sides, dtype=self._dtype, device=self._device)


def _round_up(length: int) -> int:
    """An odd multiple of 16: a stride that is a power of two would fold many rows onto few lines of the CPU's cache."""
    return (length + 15) // 32 * 32 + 16
