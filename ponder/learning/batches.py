"""Samples to micro-batches, and those to tensors: tokens packed or in rows, and flat lists of the trained ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import torch
from torch import Tensor

from ponder.learning.packed.layout import Group, Ints, Row, packed, stems_first
from ponder.learning.packed.tiles import Layout, layout
from ponder.models.lean import Shape


@dataclass(frozen=True)
class Batch:
    """Token ids and, for the N trained tokens, row after row, everything the loss needs.

    `tokens` is a packed `Layout`, or right-padded ids [B, T] for models that want rows. `positions_N` index into the
    packed tokens or the flattened [B * T] and point at the token before, whose output predicts `targets_N`.
    """

    tokens: Layout | Tensor
    positions_N: Tensor
    targets_N: Tensor
    sampler_N: Tensor
    advantages_N: Tensor
    weights_N: Tensor


def grouped(rows: Sequence[Row], share: bool) -> list[Group]:
    """Rows with the same prompt together if `share`, else each alone; in the order of their first rows."""
    if not share:
        return [Group((row,)) for row in rows]
    by_prompt: dict[tuple[int, ...], list[Row]] = {}
    for row in rows:
        by_prompt.setdefault(row.sample.prompt, []).append(row)
    return [Group(tuple(members)) for members in by_prompt.values()]


def micro_batches(groups: Sequence[Group], fits: Callable[[Sequence[Group]], bool]) -> list[list[Group]]:
    """Groups of like length together, as many as fit; a group that is too large alone is cut, a row stands alone."""
    waiting = sorted(groups, key=lambda group: group.longest, reverse=True)
    batches: list[list[Group]] = []
    while waiting:
        group = waiting.pop()
        if batches and fits([*batches[-1], group]):
            batches[-1].append(group)
        elif group.shares and not fits([group]):
            waiting += reversed(group.halves())
        else:
            batches.append([group])
    return batches


def collate(groups: Sequence[Group], shape: Shape | None, device: torch.device) -> Batch:
    """Packed for a model of this `shape`; None: right-padded rows with id 0 behind everything that attention reads."""
    groups = stems_first(groups)
    rows = [row for group in groups for row in group.rows]
    tokens: Layout | Tensor
    if shape is None:
        tokens, predictors = _padded(rows, device)
    else:
        packing = packed(groups)
        tokens, predictors = layout(packing, shape, device), packing.predictors
    trained = [np.flatnonzero(row.sample.mask_T) for row in rows]

    def flat(values: Sequence[Ints | Sequence[float]], dtype: torch.dtype) -> Tensor:
        parts = [np.asarray(v, dtype=np.float64)[t] for v, t in zip(values, trained, strict=True)]
        return torch.from_numpy(np.concatenate(parts)).to(device, dtype)

    return Batch(
        tokens=tokens,
        positions_N=flat(predictors, torch.long),
        targets_N=flat([row.sample.response for row in rows], torch.long),
        sampler_N=flat([row.sample.logprobs_T or row.sample.mask_T for row in rows], torch.float32),
        advantages_N=flat([row.sample.advantages_T for row in rows], torch.float32),
        weights_N=flat([[row.weight * m for m in row.sample.mask_T] for row in rows], torch.float32),
    )


def _padded(rows: Sequence[Row], device: torch.device) -> tuple[Tensor, list[Ints]]:
    longest = max(len(row.sample) for row in rows)
    ids = np.zeros((len(rows), longest), dtype=np.int64)
    for index, row in enumerate(rows):
        ids[index, : len(row.sample)] = list(chain(row.sample.prompt, row.sample.response))
    starts = [index * longest + len(row.sample.prompt) - 1 for index, row in enumerate(rows)]
    places = [start + np.arange(len(row.sample.response)) for start, row in zip(starts, rows, strict=True)]
    return torch.from_numpy(ids).to(device), places
