"""Slots as forward.cpp reads them: keys in tiles of 16 positions, so that what a row has lies in one piece.

Which slot a row has is a table here, so rows that move up when others end are not copied; only forks are.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ponder.engines.local.prefix.arena import Arena, Cells
from ponder.engines.local.prefix.slots import SlotCache
from ponder.native.compiler import library, pool

TILE = 16
SOURCE = Path(__file__).with_name("slots.cpp")
_pointer, _size = ctypes.c_void_p, ctypes.c_int64

Indices = NDArray[np.int64]


class Slots(Protocol):
    """Where keys and values of texts under way lie.

    `pointers` [2, layers] lead to keys [slots * K, length / 16, D, 16] and values [slots * K, length, D].
    """

    length: int
    pointers: Indices

    @property
    def heads(self) -> tuple[int, int]:
        """K and D."""
        ...


class _Slots(ctypes.Structure):
    _fields_ = [
        *((name, _size) for name in ("layers", "key_heads", "dim", "length")),
        *((name, _pointer) for name in ("keys", "values")),
    ]


class _Move(ctypes.Structure):
    _fields_ = [
        ("slots", ctypes.POINTER(_Slots)),
        ("arena", _pointer),
        ("moves", _size),
        *((name, _pointer) for name in ("source", "target", "counts", "cells")),
    ]


def load(slots: Slots, places: Sequence[int], texts: Sequence[Cells], arena: Arena) -> None:
    """The cells of each text into its slot, from position 0 on."""
    counts = np.array([len(cells) for cells in texts], dtype=np.int64)
    if counts.sum():
        starts = np.cumsum(counts) - counts
        _move(slots, starts, np.array(places, dtype=np.int64), counts, np.concatenate(texts), arena.kv.data_ptr())


def _move(
    slots: Slots,
    source: Indices,
    target: Indices,
    counts: Indices,
    cells: Cells | None = None,
    arena: int | None = None,
) -> None:
    code = library(SOURCE)
    if code is None:
        raise RuntimeError("tiled slots need compiled code, which served a moment ago")
    keys, values = slots.pointers
    sizes = (slots.pointers.shape[1], *slots.heads, slots.length)
    told = _Slots(*sizes, keys.ctypes.data, values.ctypes.data)
    arrays = [array.ctypes.data for array in (source, target, counts)]
    moves = _Move(ctypes.pointer(told), arena, len(counts), *arrays, None if cells is None else cells.ctypes.data)
    code.move(ctypes.byref(moves), pool(), torch.get_num_threads())


class TiledSlots(SlotCache):
    """`keys[i]` is [slots * kv_heads, length / 16, head_dim, 16]; row i has the slot `places[i]`."""

    def clear(self) -> None:
        super().clear()
        self.places = np.zeros(0, dtype=np.int64)
        self._free: list[int] = []

    def reserve(self, slots: int, length: int) -> None:
        """As the base; rows that are new have a slot afterwards."""
        super().reserve(slots, length)
        if (new := slots - len(self.places)) > 0:
            self.places = np.concatenate([self.places, [self._free.pop() for _ in range(new)]]).astype(np.int64)

    def select(self, order: Sequence[int], lengths: Indices) -> None:
        sources = np.array(order, dtype=np.int64)
        # The first row that goes on from a source takes over its slot, which `kept` lists by source; the others fork.
        kept, first, source_of = np.unique(sources, return_index=True, return_inverse=True)
        ended = np.ones(len(self.places), dtype=np.bool_)
        ended[kept] = False
        self._free += self.places[ended].tolist()
        self.places = self.places[kept]
        self.reserve(len(order), int(lengths[sources].max(initial=0)))
        places = self.places[source_of]
        forks = np.ones(len(order), dtype=np.bool_)
        forks[first] = False
        taken, places[forks] = places[forks], self.places[len(kept) :]
        self.places = places
        if forks.any():
            _move(self, taken, places[forks], lengths[sources[forks]])

    def vacate(self) -> None:
        self._free += self.places.tolist()
        self.places = self.places[:0]

    def _survivors(self, slots: int) -> Tensor:
        """The rows' slots in their order; from then on row i has slot i."""
        heads = self._heads(self.places.tolist())
        self.places = np.arange(len(self.places))
        self._free = list(range(slots - 1, len(self.places) - 1, -1))
        return heads

    def _key_sides(self, length: int) -> tuple[int, ...]:
        return length // TILE, self._shape.head_dim, TILE

    def _first(self, keys: Tensor, length: int) -> Tensor:
        return keys[:, : -(-length // TILE)]
