"""Keys in tiles of 16 positions, as forward.cpp reads them: what a row has lies in one piece."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from ponder.engines.cache import SlotCache

TILE = 16


def tiled(keys: Tensor) -> Tensor:
    """[.., T, D] as [.., T / 16, D, 16], the last tile filled up with zeros."""
    wide = F.pad(keys, (0, 0, 0, -keys.shape[-2] % TILE))
    cut: Tensor = wide.unflatten(-2, (-1, TILE))
    return cut.transpose(-1, -2)


class TiledSlots(SlotCache):
    """`keys[i]` is [slots * kv_heads, length / 16, head_dim, 16]."""

    def _key_sides(self, length: int) -> tuple[int, ...]:
        return length // TILE, self._shape.head_dim, TILE

    def _first(self, keys: Tensor, length: int) -> Tensor:
        return keys[:, : -(-length // TILE)]

    def _laid(self, keys_BTKD: Tensor) -> Tensor:
        return tiled(keys_BTKD.transpose(1, 2)).flatten(0, 1)
