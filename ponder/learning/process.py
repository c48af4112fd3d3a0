"""Training a step verifier: cross entropy between its score at step ends and soft labels (2312.08935, eq. 3).

A label says what share of continuations after a step reach a right answer. Each trajectory is one row; only the
positions of labelled step ends enter the loss. Rows are cut into micro-batches by length and the loss is divided by
one global count, so the split does not change the gradient.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import PreTrainedModel

from ponder.models.heads import step_logits


@dataclass(frozen=True, slots=True)
class StepRow:
    """Prompt and response tokens of a trajectory; `ends` are positions of labelled step ends, `values` in [0, 1]."""

    id: str
    tokens: tuple[int, ...]
    ends: tuple[int, ...]
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class StepReport:
    """What one pass did: mean cross entropy in nats, labelled steps, tokens forwarded, steps skipped as not finite."""

    loss: float | None
    labels: int
    tokens: int
    skipped: int


class StepLearner:
    """AdamW on a step verifier. `batch` labelled trajectories a step, at most `micro_tokens` padded tokens at once."""

    def __init__(
        self, model: PreTrainedModel, *, learning_rate: float = 3e-4, batch: int = 64, micro_tokens: int = 4096
    ) -> None:
        self.model = model
        self.batch = batch
        self.micro_tokens = micro_tokens
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate, betas=(0.9, 0.95), weight_decay=0.01)

    def fit(self, rows: Sequence[StepRow], generator: torch.Generator) -> StepReport:
        """One epoch in random order. A step whose loss or gradient is not finite is skipped and counted."""
        order = [int(i) for i in torch.randperm(len(rows), generator=generator)]
        losses: list[float] = []
        skipped = 0
        for start in range(0, len(order), self.batch):
            loss = self._step([rows[i] for i in order[start : start + self.batch]])
            if loss is None:
                skipped += 1
            else:
                losses.append(loss)
        mean = sum(losses) / len(losses) if losses else None
        return StepReport(mean, sum(len(r.ends) for r in rows), sum(len(r.tokens) for r in rows), skipped)

    def _step(self, rows: Sequence[StepRow]) -> float | None:
        count = sum(len(row.ends) for row in rows)
        total = 0.0
        self.optimizer.zero_grad(set_to_none=True)
        for part in micro_batches(rows, self.micro_tokens):
            logits, values = _scored(self.model, part)
            loss = F.binary_cross_entropy_with_logits(logits.float(), values, reduction="sum") / count
            loss.backward()
            total += float(loss.detach())
        norm = float(torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0))
        if not (math.isfinite(total) and math.isfinite(norm)):
            return None
        self.optimizer.step()
        return total


def micro_batches(rows: Sequence[StepRow], tokens: int) -> list[list[StepRow]]:
    """Rows of like length together, each part at most `tokens` padded tokens (a longer row is a part alone)."""
    parts: list[list[StepRow]] = []
    for row in sorted(rows, key=lambda r: len(r.tokens)):
        if parts and len(row.tokens) * (len(parts[-1]) + 1) <= tokens:
            parts[-1].append(row)
        else:
            parts.append([row])
    return parts


def _scored(model: PreTrainedModel, rows: Sequence[StepRow]) -> tuple[Tensor, Tensor]:
    """Log-odds and label at every labelled step end of the rows, both of shape [labels]."""
    device = model.device
    ids = torch.zeros(len(rows), max(len(r.tokens) for r in rows), dtype=torch.long)
    for i, row in enumerate(rows):
        ids[i, : len(row.tokens)] = torch.tensor(row.tokens)
    at_B = torch.tensor([i for i, row in enumerate(rows) for _ in row.ends])
    at_T = torch.tensor([end for row in rows for end in row.ends])
    values = torch.tensor([v for row in rows for v in row.values], dtype=torch.float32)
    return step_logits(model, ids.to(device), at_B.to(device), at_T.to(device)), values.to(device)
