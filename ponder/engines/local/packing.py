"""Rows of unequal length to rectangular batches, and log-probabilities back to rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice

import torch
from torch import Tensor

Tokens = tuple[int, ...]

_SCORE_TOKENS = 8192
# Rows of logits at once; with a vocabulary of 150,000 this is 300 MB.
_ROWS = 512


def batches_by_length(rows: Sequence[Tokens], limit: int) -> Iterator[list[Tokens]]:
    """Rows sorted by length, in batches whose padded size stays under `limit` tokens (one row may exceed it)."""
    batch: list[Tokens] = []
    for row in sorted(rows, key=len):
        if batch and len(row) * (len(batch) + 1) > limit:
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


def right_padded(rows: Sequence[Tokens], device: torch.device) -> Tensor:
    """Token ids [B, T]; zeros behind each row's end, which a causal forward never looks at from before."""
    width = max(map(len, rows))
    return torch.tensor([row + (0,) * (width - len(row)) for row in rows], device=device)


def left_padded(rows: Sequence[Tokens], device: torch.device) -> tuple[Tensor, Tensor]:
    """Token ids and attention mask, both [B, T], rows ending together."""
    width = max(map(len, rows))
    ids = [(0,) * (width - len(row)) + row for row in rows]
    mask = [(0,) * (width - len(row)) + (1,) * len(row) for row in rows]
    return torch.tensor(ids, device=device), torch.tensor(mask, device=device)


def chosen_logprobs(
    prompts: Sequence[Tokens],
    continuations: Sequence[Tokens],
    forward: Callable[[Tensor], Tensor],
    head: Callable[[Tensor], Tensor],
    device: torch.device,
) -> list[list[float]]:
    """Log-probabilities of each continuation's tokens; rows are taken in batches of similar length.

    `forward` maps ids [B, T] to hidden states [B, T, hidden], which `head` turns into logits [N, V], only where a
    continuation needs them.
    """
    joined = {(p + c, len(p)) for p, c in zip(prompts, continuations, strict=True) if c}
    starts: dict[Tokens, list[int]] = {}
    for row, start in joined:
        starts.setdefault(row, []).append(start)
    scored: dict[Tokens, tuple[int, list[float]]] = {}
    for batch in batches_by_length(sorted(starts), _SCORE_TOKENS):
        output_BTX = forward(right_padded(batch, device))
        firsts = [min(starts[row]) for row in batch]
        states = torch.cat([o[f - 1 : len(r) - 1] for o, f, r in zip(output_BTX, firsts, batch, strict=True)])
        targets = [token for row, first in zip(batch, firsts, strict=True) for token in row[first:]]
        values = iter(_gathered(states, torch.tensor(targets, device=device), head))
        for row, first in zip(batch, firsts, strict=True):
            scored[row] = (first, list(islice(values, len(row) - first)))
    return [_tail(scored, p, c) for p, c in zip(prompts, continuations, strict=True)]


def _tail(scored: dict[Tokens, tuple[int, list[float]]], prompt: Tokens, continuation: Tokens) -> list[float]:
    if not continuation:
        return []
    first, values = scored[prompt + continuation]
    return values[len(prompt) - first :]


def _gathered(states_NX: Tensor, targets_N: Tensor, head: Callable[[Tensor], Tensor]) -> list[float]:
    values: list[float] = []
    for states, targets in zip(states_NX.split(_ROWS), targets_N.split(_ROWS), strict=True):
        logits = head(states).float()
        chosen = logits.gather(-1, targets[:, None])[:, 0] - logits.logsumexp(-1)
        values.extend(chosen.tolist())
    return values
