"""One token for each of some rows: the forward of a decode step over the slots' keys and values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ponder.engines import packed
from ponder.engines.arena import Arena
from ponder.engines.cache import SlotCache
from ponder.engines.packed import Packed, Workspace

# Rows that attend together, only as far as the longest of them.
_SPAN = 64


@dataclass(frozen=True)
class Step:
    """The tokens that come in, their positions, the cells that keep what is computed, and where all of it lies."""

    tokens_B: NDArray[np.int64]
    positions_B: NDArray[np.int64]
    cells_B: NDArray[np.int64]
    slots: SlotCache
    arena: Arena
    logits_BV: Tensor


@dataclass(frozen=True)
class Span:
    """Rows that share one attention: their part of the slots' first axis and of the lane's heads, longest, mask."""

    slots: slice
    heads: slice
    longest: int
    mask: Tensor | None


def forward(work: Step, first: int, end: int, w: Packed, workspace: Workspace) -> None:
    """Rows `first` to `end`-1: their logits into `work.logits_BV`, keys and values into slots and arena."""
    device, kv = work.logits_BV.device, w.shape.kv_heads
    b = workspace.sized(end - first)
    positions = torch.from_numpy(work.positions_B[first:end]).to(device)
    rotation = packed.rotation_for(w, positions)
    heads_at = torch.arange(first * kv, end * kv, device=device), positions.repeat_interleave(kv)
    spans = list(_spans(work.positions_B, positions, first, kv, work.arena.kv.dtype))
    x = packed.embed(torch.from_numpy(work.tokens_B[first:end]).to(device), w, b)
    for i, (keys, values) in enumerate(zip(work.slots.keys, work.slots.values, strict=True)):
        heads = packed.project(x, i, w, rotation, b).flatten(0, 1)
        keys[heads_at[0], :, heads_at[1]] = heads[:, w.group]
        values[heads_at] = heads[:, w.group + 1]
        for s in spans:
            _attend(heads[s.heads, : w.group], keys[s.slots], values[s.slots], s, workspace, b.attended[s.heads])
        packed.finish(x, b.attended.view(end - first, -1), i, w, b)
    cells = torch.from_numpy(work.cells_B[first:end]).to(device)
    work.arena.write(cells, b.heads[:, :, :, w.group :].transpose(0, 1), x)
    work.logits_BV[first:end] = packed.logits(x, w)


def _spans(
    positions_B: NDArray[np.int64], positions: Tensor, first: int, kv: int, dtype: torch.dtype
) -> Iterator[Span]:
    for start in range(0, len(positions), _SPAN):
        end = min(start + _SPAN, len(positions))
        part = positions_B[first + start : first + end]
        longest = int(part.max()) + 1
        ragged = int(part.min()) + 1 < longest
        mask = _mask(positions[start:end], longest, dtype) if ragged else None
        yield Span(slice((first + start) * kv, (first + end) * kv), slice(start * kv, end * kv), longest, mask)


def _mask(positions: Tensor, longest: int, dtype: torch.dtype) -> Tensor:
    """What is added to the scores [B, 1, T]: minus infinity behind each row's position."""
    behind = torch.arange(longest, device=positions.device) > positions[:, None]
    zeros = torch.zeros(behind.shape, dtype=dtype, device=positions.device)
    return zeros.masked_fill_(behind, -torch.inf)[:, None]


def _attend(q: Tensor, keys: Tensor, values: Tensor, span: Span, workspace: Workspace, out: Tensor) -> None:
    """Queries [B*K, group, D] over the slots into `out`. One batched product serves all queries of a key head."""
    scores = workspace.scores(*q.shape[:2], span.longest)
    torch.bmm(q, keys[:, :, : span.longest], out=scores)
    if span.mask is not None:
        scores.view(len(span.mask), -1, span.longest).add_(span.mask)
    torch.softmax(scores, -1, out=scores)
    torch.bmm(scores, values[:, : span.longest], out=out)
