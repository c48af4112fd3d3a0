"""Where attention finds its rows among packed tokens: gather indices, built once and used by every layer.

A tile is a set of pieces of like length, padded to M queries and P + M keys. Everything is a gather: into tiles by the
indices of each tile, back to packed tokens by their inverse. What stands for padding points at a row of zeros behind
the last token. C = H + 2K is the number of heads that one token's queries, key and value take.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from ponder.learning.packed.layout import Groups, Ints, Packing, Piece, groups
from ponder.models.lean import Shape

# Scores of a tile stay in a core's cache, and padding costs a tile at most this factor.
_SCORES = 2**19
_PADDING = 1.25


@dataclass(frozen=True)
class Tile:
    """`rows` pieces with M = `own` queries each, over P = `shared` keys of a stem and their own M.

    `queries`, `outputs` [rows * H * M] and `keys`, `values` [rows * K * (P + M)] index heads of tokens; `stems` [rows].
    `mask` [rows or 1, 1, M, P + M] is added to the scores.
    """

    rows: int
    own: int
    shared: int
    stems: Tensor
    queries: Tensor
    keys: Tensor
    values: Tensor
    outputs: Tensor
    mask: Tensor


@dataclass(frozen=True)
class Tiling:
    """The tiles, and how to get back from them.

    `heads_back` [N * H] undoes the order of the tiles' outputs and `qkv_back` [N * C] that of their gradients;
    `stems_back` [tokens of stems, 2K] reads gradients that are laid out as [2, stems, K, longest stem]. `ragged`: some
    tile has padding among its queries.
    """

    tiles: tuple[Tile, ...]
    heads_back: Tensor
    qkv_back: Tensor
    stems_back: Tensor
    stems: int
    longest_stem: int
    ragged: bool


@dataclass(frozen=True)
class Layout:
    """Packed token ids [N], their positions [N], and where attention finds its rows, in the form that it asks for."""

    ids: Tensor
    positions: Tensor
    packing: Packing
    shape: Shape

    @cached_property
    def tiling(self) -> Tiling:
        return tiling(self.packing, self.shape, self.ids.device)

    @cached_property
    def groups(self) -> Groups:
        return groups(self.packing)


def layout(packing: Packing, shape: Shape, device: torch.device) -> Layout:
    ids, positions = (torch.tensor(values, dtype=torch.long).to(device) for values in (packing.ids, packing.positions))
    return Layout(ids, positions, packing, shape)


def tiling(packing: Packing, shape: Shape, device: torch.device) -> Tiling:
    """Tiles on `device`."""
    count, h, k = len(packing.ids), shape.heads, shape.kv_heads
    parts = cut(packing.pieces, h)
    # For each token the place of its first head among the tiles' outputs and keys, and the step to its next head.
    out, key, step = (np.zeros(count, dtype=np.int64) for _ in range(3))
    outs = keys = 0
    for part in parts:
        own = _tokens(part, count)
        rows, m = own.shape
        real, spot = own < count, np.arange(m)[None]
        row = np.arange(rows)[:, None]
        out[own[real]] = (outs + row * h * m + spot)[real]
        key[own[real]] = (keys + row * k * m + spot)[real]
        step[own[real]] = m
        outs, keys = outs + rows * h * m, keys + rows * k * m
    heads_NH = out[:, None] + step[:, None] * np.arange(h)
    keys_NK = key[:, None] + step[:, None] * np.arange(k)
    qkv_NC = np.concatenate([heads_NH, outs + keys_NK, outs + keys + keys_NK], axis=1)

    def tensor(values: Ints) -> Tensor:
        return torch.as_tensor(values, dtype=torch.long).to(device)

    return Tiling(
        tiles=tuple(_tile(part, count, shape, device) for part in parts),
        heads_back=tensor(heads_NH.reshape(-1)),
        qkv_back=tensor(qkv_NC.reshape(-1)),
        stems_back=tensor(_stems_back(packing.stems, k)),
        stems=len(packing.stems),
        longest_stem=max((stem.length for stem in packing.stems), default=0),
        ragged=outs > count * h,
    )


def cut(pieces: Sequence[Piece], heads: int) -> list[list[Piece]]:
    """Pieces of like length together, those with a stem apart from those without."""
    parts: list[list[Piece]] = []
    useful = 0
    for piece in sorted(pieces, key=lambda p: (p.shared > 0, p.length, p.shared)):
        here = piece.length * (piece.shared + piece.length)
        if parts and (parts[-1][0].shared > 0) == (piece.shared > 0):
            grown = [*parts[-1], piece]
            padded = padded_pairs(grown)
            if padded <= _PADDING * (useful + here) and padded * heads <= _SCORES:
                parts[-1].append(piece)
                useful += here
                continue
        parts.append([piece])
        useful = here
    return parts


def padded_pairs(part: Sequence[Piece]) -> int:
    own = max(piece.length for piece in part)
    return len(part) * own * (own + max(piece.shared for piece in part))


def _tokens(part: Sequence[Piece], pad: int, *, stem: bool = False) -> Ints:
    """Token of each place of the pieces (or of their stems), [rows, longest]; `pad` behind the end."""
    starts = np.array([piece.stem_start if stem else piece.start for piece in part])
    lengths = np.array([piece.shared if stem else piece.length for piece in part])
    spots = np.arange(lengths.max())
    return np.where(spots < lengths[:, None], starts[:, None] + spots, pad)


def _tile(part: Sequence[Piece], pad: int, shape: Shape, device: torch.device) -> Tile:
    h, k = shape.heads, shape.kv_heads
    own, stem = _tokens(part, pad), _tokens(part, pad, stem=True)
    seen = np.concatenate([stem, own], axis=1)
    m, p = own.shape[1], stem.shape[1]

    def heads(tokens: Ints, channels: int, first: int, count: int) -> Tensor:
        index = tokens[:, None, :] * channels + (first + np.arange(count))[None, :, None]
        return torch.from_numpy(index.reshape(-1)).to(device)

    # A piece's own padding stands behind all that its real queries see; a stem's stands before and is masked.
    later = np.broadcast_to(np.arange(m) > np.arange(m)[:, None], (1, m, m))
    if p and (stem == pad).any():
        rows = len(part)
        absent = np.broadcast_to((stem == pad)[:, None, :], (rows, m, p))
        hidden = np.concatenate([absent, np.broadcast_to(later, (rows, m, m))], axis=2)
    else:
        hidden = np.concatenate([np.zeros((1, m, p), dtype=bool), later], axis=2)
    mask = torch.zeros(hidden.shape).masked_fill_(torch.from_numpy(hidden), -torch.inf).unsqueeze(1)
    return Tile(
        rows=len(part),
        own=m,
        shared=p,
        stems=torch.tensor([piece.stem for piece in part]).to(device),
        queries=heads(own, h + 2 * k, 0, h),
        keys=heads(seen, h + 2 * k, h, k),
        values=heads(seen, h + 2 * k, h + k, k),
        outputs=heads(own, h, 0, h),
        mask=mask.to(device),
    )


def _stems_back(stems: Sequence[Piece], kv_heads: int) -> Ints:
    """For each token of a stem and each of its 2K key and value heads, its place in [2, stems, K, longest]."""
    if not stems:
        return np.zeros((0, 2 * kv_heads), dtype=np.int64)
    longest = max(stem.length for stem in stems)
    rows = np.concatenate([np.full(stem.length, index) for index, stem in enumerate(stems)])
    spots = np.concatenate([np.arange(stem.length) for stem in stems])
    channels = np.arange(2 * kv_heads)
    kind, head = channels // kv_heads, channels % kv_heads
    return np.asarray(((kind * len(stems) + rows[:, None]) * kv_heads + head) * longest + spots[:, None])
