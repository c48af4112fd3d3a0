"""Memory for computed tokens: one cell a token, reference-counted, under one limit.

A cell holds what every layer computed for one token after one exact prefix: its key and value in each layer and its
final hidden state. Cells know nothing of texts; the prefix tree and the rows under way say which cells make up a text
and hold a reference to each. A block size of one token (PagedAttention, Kwon et al. 2023, section 4, takes 16) lets
texts share at any token without copying on write, and the last block of a text wastes nothing; the price is eight
bytes of index a token.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Cells = NDArray[np.int64]

NOWHERE = 0  # the cell that takes what nobody will read: padding, and tokens for which there was no memory
_FIRST = 1024


class Arena:
    """`kv` [N, layers, kv_heads, 2, head_dim] and `hidden` [N, hidden], row 0 being `NOWHERE`.

    Grows by doubling up to `most` cells, so memory follows the tokens held at one time.
    """

    def __init__(
        self,
        layers: int,
        kv_heads: int,
        head_dim: int,
        hidden: int,
        dtype: torch.dtype,
        device: torch.device,
        most: int,
    ) -> None:
        self.most = most
        self._sizes = (layers, kv_heads, 2, head_dim), (hidden,)
        self._options = {"dtype": dtype, "device": device}
        self.clear()

    def clear(self) -> None:
        """Forget every cell and give the memory back."""
        self.kv, self.hidden = (torch.zeros(1, *size, **self._options) for size in self._sizes)  # type: ignore[call-overload]
        self._references = np.ones(1, dtype=np.int64)
        self._cached = np.zeros(1, dtype=np.bool_)
        self._free: Cells = np.zeros(0, dtype=np.int64)
        self._left: int = 0  # the first `_left` entries of `_free` are free cells

    def forget(self) -> None:
        """All cells are free again; the memory stays."""
        self._references[1:] = 0
        self._cached[:] = False
        self._left = len(self._free)
        self._free[:] = np.arange(self._left, 0, -1)

    @property
    def bytes(self) -> int:
        """Memory of the cells, used or free."""
        total: int = self.kv.nbytes + self.hidden.nbytes
        return total

    @property
    def cell_bytes(self) -> int:
        """Memory of one cell."""
        return self.bytes // len(self.kv)

    @property
    def used(self) -> int:
        """Cells that something refers to."""
        return len(self._free) - self._left

    @property
    def held(self) -> int:
        """Cells that something other than the prefix tree refers to."""
        return int(np.count_nonzero(self._references[1:] > self._cached[1:]))

    def lacks(self, count: int) -> int:
        """How many cells must be given back before `count` can be taken."""
        return max(0, count - self._left - (self.most - len(self._free)))

    def take(self, count: int) -> Cells:
        """`count` cells with one reference each; ask `lacks` first."""
        if count > self._left:
            self._grow(count - self._left)
        self._left -= count
        cells = self._free[self._left : self._left + count].copy()
        self._references[cells] = 1
        return cells

    def hold(self, cells: Cells, times: int = 1) -> None:
        """One more reference to each cell (a text names a cell once), or several."""
        self._references[cells] += times

    def drop(self, cells: Cells) -> int:
        """One reference less; cells without any are free again. Returns how many became free."""
        self._references[cells] -= 1
        self._references[NOWHERE] = 1
        freed: Cells = cells[self._references[cells] == 0]
        self._free[self._left : self._left + len(freed)] = freed
        self._left += len(freed)
        return len(freed)

    def cache(self, cells: Cells) -> None:
        """The reference of the prefix tree."""
        self._cached[cells] = True
        self.hold(cells)

    def uncache(self, cells: Cells) -> int:
        """The tree lets go; returns how many cells became free."""
        self._cached[cells] = False
        return self.drop(cells)

    def write(self, cells: Tensor, kv: Tensor, hidden: Tensor) -> None:
        """What was computed for N tokens: `kv` [N, layers, kv_heads, 2, head_dim], `hidden` [N, hidden]."""
        self.kv.index_copy_(0, cells, kv)
        self.hidden.index_copy_(0, cells, hidden)

    def _grow(self, least: int) -> None:
        old = len(self._free)
        new = min(self.most, max(2 * old, old + least, _FIRST))
        grown = [torch.zeros(1 + new, *size, **self._options) for size in self._sizes]  # type: ignore[call-overload]
        grown[0][: 1 + old], grown[1][: 1 + old] = self.kv, self.hidden
        self.kv, self.hidden = grown
        self._references = np.concatenate([self._references, np.zeros(new - old, dtype=np.int64)])
        self._cached = np.concatenate([self._cached, np.zeros(new - old, dtype=np.bool_)])
        # The free cells that are left stay on top, so that the lowest cells are used first.
        fresh = np.arange(new, old, -1, dtype=np.int64)
        self._free = np.concatenate([fresh, self._free[: self._left], np.zeros(old - self._left, dtype=np.int64)])
        self._left += new - old
