"""Keys and values of the rows under way, in two tensors a layer: a working copy, laid out for attention's products.

The texts themselves lie in the arena, each token once; a slot holds one path through them in a row, because a batched
product over rows that lie in order reads memory twice as fast as one that gathers. So this memory follows the rows that
run at one time, and not how many branches a search has.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ponder.engines.local.prefix.pages import in_large_pages
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
        self.keys = [self._allocate(0, *self._key_sides(0)) for _ in range(self._layers)]
        self.values = [self._allocate(0, 0, self._shape.head_dim) for _ in range(self._layers)]
        self._point()

    @property
    def heads(self) -> tuple[int, int]:
        """Key heads, and the numbers of one."""
        return self._shape.kv_heads, self._shape.head_dim

    @property
    def bytes(self) -> int:
        return sum(tensor.nbytes for tensor in (*self.keys, *self.values))

    def rows(self, length: int) -> int:
        """How many rows of `length` tokens fit into the limits; at least one, or nothing could ever run."""
        return max(1, min(self._max_slots, self._max_bytes // (rounded_up(length) * self._bytes_per_token)))

    def reserve(self, slots: int, length: int) -> None:
        """Make room for that many slots and positions; what the slots hold up to `length` stays.

        Grows by half at least, so that a long generation copies its cache a few times and not at every block. Where
        more slots would not fit otherwise, positions beyond `length` are given up.
        """
        if slots <= self.slots and length <= self.length:
            return
        new_length = self.length if length <= self.length else rounded_up(max(length, self.length * 3 // 2))
        if self.rows(new_length) < slots:
            new_length = rounded_up(length)
        new_slots = max(slots, min(max(self.slots, 2 * slots), self.rows(new_length)))
        survivors = self._survivors(new_slots)
        kept, known = len(survivors), min(self.length, new_length)
        for i in range(self._layers):
            keys = self._allocate(new_slots, *self._key_sides(new_length))
            values = self._allocate(new_slots, new_length, self._shape.head_dim)
            self._first(keys, known)[:kept] = self._first(self.keys[i], known)[survivors]
            values[:kept, :known] = self.values[i][survivors, :known]
            self.keys[i], self.values[i] = keys, values
        self.slots, self.length = new_slots, new_length
        self._point()

    def _point(self) -> None:
        """Where the keys and values of each layer lie, for compiled code."""
        addresses = [[tensor.data_ptr() for tensor in tensors] for tensors in (self.keys, self.values)]
        self.pointers = np.array(addresses, dtype=np.int64)

    def load(self, first: int, kv: Tensor) -> None:
        """Fill the slots from `first` on with texts [B, T, layers, K, 2, D]; shorter ones are padded behind."""
        rows, length = kv.shape[:2]
        heads = slice(first * self._shape.kv_heads, (first + rows) * self._shape.kv_heads)
        for i, (keys, values) in enumerate(zip(self.keys, self.values, strict=True)):
            keys[heads, :, :length] = kv[:, :, i, :, 0].permute(0, 2, 3, 1).flatten(0, 1)
            values[heads, :length] = kv[:, :, i, :, 1].transpose(1, 2).flatten(0, 1)

    def select(self, order: Sequence[int], lengths: NDArray[np.int64]) -> None:
        """Row i is from now on what row `order[i]` was, which holds `lengths[order[i]]` tokens."""
        moved = [(source, target) for target, source in enumerate(order) if source != target]
        if not moved:
            return
        sources, targets = map(list, zip(*moved, strict=True))
        length = int(lengths[sources].max())
        self.reserve(len(order), length)
        read, written = self._heads(sources), self._heads(targets)
        for keys, values in zip(self.keys, self.values, strict=True):
            known = self._first(keys, length)
            known[written] = known[read]
            values[written, :length] = values[read, :length]

    def vacate(self) -> None:
        """No row is under way."""

    def _survivors(self, slots: int) -> Tensor:
        """The rows of keys and values that stay when there are so many slots."""
        return torch.arange(min(self.slots, slots) * self._shape.kv_heads, device=self._device)

    def _heads(self, slots: Sequence[int]) -> Tensor:
        first = torch.tensor(slots, dtype=torch.long, device=self._device)[:, None] * self._shape.kv_heads
        return (first + torch.arange(self._shape.kv_heads, device=self._device)).flatten()

    def _key_sides(self, length: int) -> tuple[int, ...]:
        """The shape of one head's keys."""
        return self._shape.head_dim, length

    def _first(self, keys: Tensor, length: int) -> Tensor:
        """The part of the keys that holds the first `length` positions, to read or to write."""
        return keys[:, :, :length]

    def _allocate(self, slots: int, *sides: int) -> Tensor:
        return in_large_pages(torch.zeros(slots * self._shape.kv_heads, *sides, dtype=self._dtype, device=self._device))


def rounded_up(length: int) -> int:
    """An odd multiple of 16: a stride that is a power of two would fold many rows onto few lines of the CPU's cache."""
    return (length + 15) // 32 * 32 + 16
