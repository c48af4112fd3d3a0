"""One token for each of some rows: the forward of a decode step over the slots' keys and values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ponder.engines.local import packed_weights as packed
from ponder.engines.local.packed_weights import Packed, Workspace
from ponder.engines.local.prefix.arena import Arena
from ponder.engines.local.prefix.slots import SlotCache

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
    """Rows `first` to `end`-1 of the step attend over `longest` positions; `ragged` if some end before."""

    first: int
    end: int
    longest: int
    ragged: bool


def spans_of(positions_B: NDArray[np.int64]) -> list[Span]:
    """The rows in spans."""
    spans = []
    for first in range(0, len(positions_B), _SPAN):
        part = positions_B[first : first + _SPAN]
        longest = int(part.max()) + 1
        spans.append(Span(first, first + len(part), longest, int(part.min()) + 1 < longest))
    return spans


def forward(work: Step, w: Packed, workspace: Workspace) -> None:
    """All rows: their logits into `work.logits_BV`, keys and values into slots and arena."""
    device = work.logits_BV.device
    inputs = torch.from_numpy(np.stack([work.tokens_B, work.positions_B, work.cells_B])).to(device)
    work.logits_BV.copy_(compute(inputs, spans_of(work.positions_B), work.slots, work.arena, w, workspace))


def compute(
    inputs: Tensor, spans: Sequence[Span], slots: SlotCache, arena: Arena, w: Packed, workspace: Workspace
) -> Tensor:
    """Logits [B, V]; `inputs` [3, B] are tokens, positions and cells. Waits for nothing on the device."""
    tokens, positions, cells = inputs
    rows, kv = len(tokens), w.shape.kv_heads
    b = workspace.sized(rows)
    rotation = packed.rotation_for(w, positions)
    heads_at = torch.arange(rows * kv, device=tokens.device), positions.repeat_interleave(kv)
    masks = [_mask(positions[s.first : s.end], s.longest, arena.kv.dtype) if s.ragged else None for s in spans]
    x = packed.embed(tokens, w, b)
    for i, (keys, values) in enumerate(zip(slots.keys, slots.values, strict=True)):
        heads = packed.project(x, i, w, rotation, b).flatten(0, 1)
        keys[heads_at[0], :, heads_at[1]] = heads[:, w.group]
        values[heads_at] = heads[:, w.group + 1]
        for s, mask in zip(spans, masks, strict=True):
            part = slice(s.first * kv, s.end * kv)
            q, k, v = heads[part, : w.group], keys[part, :, : s.longest], values[part, : s.longest]
            _attend(q, k, v, mask, workspace, b.attended[part])
        packed.finish(x, b.attended.view(rows, -1), i, w, b)
    arena.write(cells, b.heads[:, :, :, w.group :].transpose(0, 1), x)
    return packed.logits(x, w)


def _mask(positions: Tensor, longest: int, dtype: torch.dtype) -> Tensor:
    """What is added to the scores [B, 1, T]: minus infinity behind each row's position."""
    behind = torch.arange(longest, device=positions.device) > positions[:, None]
    zeros = torch.zeros(behind.shape, dtype=dtype, device=positions.device)
    return zeros.masked_fill_(behind, -torch.inf)[:, None]


def _attend(q: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None, workspace: Workspace, out: Tensor) -> None:
    """Queries [B*K, group, D] over keys and values into `out`. One batched product serves the queries of a key head."""
    scores = workspace.scores(*q.shape[:2], keys.shape[2])
    torch.bmm(q, keys, out=scores)
    if mask is not None:
        scores.view(len(mask), -1, keys.shape[2]).add_(mask)
    torch.softmax(scores, -1, out=scores)
    torch.bmm(scores, values, out=out)
