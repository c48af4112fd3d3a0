"""Samples to micro-batches, and those to tensors: tokens laid out by a backend, and flat lists of the trained ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ponder.learning.backends.backend import Backend
from ponder.learning.packed.layout import Group, Ints, Row, stems_first
from ponder.losses.loss import TokenRows


@dataclass(frozen=True)
class Batch:
    """Token ids in the backend's layout and, for the N trained tokens, row after row, everything the loss needs.

    `positions_N` point at the token before in that layout, whose output predicts `targets_N`. `row_N` is the row of a
    token. Those with a default are None where the samples do not carry them.
    """

    tokens: Any
    positions_N: Tensor
    targets_N: Tensor
    sampler_N: Tensor
    advantages_N: Tensor
    weights_N: Tensor
    row_N: Tensor
    rows: int
    returns_N: Tensor | None = None
    values_N: Tensor | None = None
    teacher_N: Tensor | None = None
    old_N: Tensor | None = None
    marks_N: Tensor | None = None
    turn_N: Tensor | None = None

    def token_rows(self, logprobs_N: Tensor, entropy_N: Tensor, reference_N: Tensor | None) -> TokenRows:
        """What the loss sees."""
        return TokenRows(
            logprobs_N=logprobs_N,
            sampler_N=self.sampler_N,
            advantages_N=self.advantages_N,
            row_N=self.row_N,
            rows=self.rows,
            reference_N=reference_N,
            entropy_N=entropy_N,
            returns_N=self.returns_N,
            values_N=self.values_N,
            teacher_N=self.teacher_N,
            old_N=self.old_N,
            marks_N=self.marks_N,
            turn_N=self.turn_N,
        )


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


def collate(groups: Sequence[Group], backend: Backend, device: torch.device) -> Batch:
    """The tensors of these groups on `device`."""
    groups = stems_first(groups)
    rows = [row for group in groups for row in group.rows]
    samples = [row.sample for row in rows]
    tokens, predictors = backend.lay_out(groups, device)
    trained = [np.flatnonzero(sample.mask_T) for sample in samples]

    def flat(values: Sequence[Ints | Sequence[float]], dtype: torch.dtype) -> Tensor:
        parts = [np.asarray(v, dtype=np.float64)[t] for v, t in zip(values, trained, strict=True)]
        return torch.from_numpy(np.concatenate(parts)).to(device, dtype)

    def optional(name: str) -> Tensor | None:
        values = [getattr(sample, name) for sample in samples]
        return flat(values, torch.float32) if all(values) else None

    return Batch(
        tokens=tokens,
        positions_N=flat(predictors, torch.long),
        targets_N=flat([sample.response for sample in samples], torch.long),
        sampler_N=flat([sample.logprobs_T or sample.mask_T for sample in samples], torch.float32),
        advantages_N=flat([sample.advantages_T for sample in samples], torch.float32),
        weights_N=flat([[row.weight * m for m in row.sample.mask_T] for row in rows], torch.float32),
        row_N=torch.from_numpy(np.repeat(np.arange(len(rows)), [len(t) for t in trained])).to(device),
        rows=len(rows),
        returns_N=optional("returns_T"),
        values_N=optional("values_T"),
        teacher_N=optional("teacher_logprobs_T"),
        old_N=optional("old_logprobs_T"),
        marks_N=optional("marks_T"),
        turn_N=optional("turn_T"),
    )
