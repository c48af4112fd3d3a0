"""Samples to tensors: rows of like length together, padded on the right, and flat lists of the trained tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ponder.types import Sample


@dataclass(frozen=True)
class Row:
    """A sample and the weight of each of its trained tokens in the loss of the whole step."""

    sample: Sample
    weight: float


@dataclass(frozen=True)
class Batch:
    """Right-padded token ids [B, T] and, for the N trained tokens, row after row, everything the loss needs.

    `positions_N` index into the flattened [B * T] and point at the token before, whose output predicts `targets_N`.
    """

    ids_BT: Tensor
    positions_N: Tensor
    targets_N: Tensor
    sampler_N: Tensor
    advantages_N: Tensor
    weights_N: Tensor


def micro_batches(rows: Sequence[Row], tokens: int) -> list[list[Row]]:
    """Cut into batches of at most `tokens` padded tokens, longest rows last; a longer row stands alone."""
    batches: list[list[Row]] = []
    batch: list[Row] = []
    for row in sorted(rows, key=lambda row: len(row.sample)):
        if batch and len(row.sample) * (len(batch) + 1) > tokens:
            batches.append(batch)
            batch = []
        batch.append(row)
    return [*batches, batch] if batch else batches


def collate(rows: Sequence[Row], device: torch.device) -> Batch:
    """Padding has id 0: it stands after everything that is read, so attention never sees it."""
    longest = max(len(row.sample) for row in rows)
    ids: list[list[int]] = []
    positions: list[int] = []
    targets: list[int] = []
    sampler: list[float] = []
    advantages: list[float] = []
    weights: list[float] = []
    for index, row in enumerate(rows):
        sample = row.sample
        ids.append([*sample.prompt, *sample.response, *[0] * (longest - len(sample))])
        trained = [t for t, mask in enumerate(sample.mask_T) if mask]
        start = index * longest + len(sample.prompt) - 1
        positions += [start + t for t in trained]
        targets += [sample.response[t] for t in trained]
        sampler += [sample.logprobs_T[t] for t in trained] if sample.logprobs_T else [0.0] * len(trained)
        advantages += [sample.advantages_T[t] for t in trained]
        weights += [row.weight * sample.mask_T[t] for t in trained]
    return Batch(
        ids_BT=torch.tensor(ids, device=device),
        positions_N=torch.tensor(positions, dtype=torch.long, device=device),
        targets_N=torch.tensor(targets, dtype=torch.long, device=device),
        sampler_N=torch.tensor(sampler, dtype=torch.float32, device=device),
        advantages_N=torch.tensor(advantages, dtype=torch.float32, device=device),
        weights_N=torch.tensor(weights, dtype=torch.float32, device=device),
    )
