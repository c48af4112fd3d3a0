"""Outcome reward model as a judge (2110.14168): one score at the last token, and no step scores.

The per-token variant has an opinion at every token and is read at step ends, which makes it a `ProcessVerifier`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from transformers import PreTrainedModel

from ponder.models.heads import padded, step_logits
from ponder.types import Trajectory, Verdict
from ponder.verifiers.learned.batched import BatchedJudge, PromptTokens, finite


class OutcomeVerifier(BatchedJudge):
    """`Judge` on a sequence-classification model with one output, whose logistic is the score."""

    def __init__(
        self,
        model: PreTrainedModel,
        prompt_tokens: PromptTokens,
        *,
        policy_parameters: int,
        temperature: float = 1.0,
        shared: bool = False,
        micro_tokens: int = 8192,
    ) -> None:
        super().__init__(
            model, prompt_tokens, policy_parameters=policy_parameters, shared=shared, micro_tokens=micro_tokens
        )
        self.temperature = temperature

    def read(self, trajectory: Trajectory) -> int:
        return 1

    def verdicts(self, rows: Sequence[tuple[int, ...]], trajectories: Sequence[Trajectory]) -> list[Verdict]:
        device = self.model.device
        at_T = torch.tensor([len(row) - 1 for row in rows], device=device)
        logits = step_logits(self.model, padded(rows, device), torch.arange(len(rows), device=device), at_T).float()
        return [Verdict(score=score) for score in finite(torch.sigmoid(logits / self.temperature).tolist())]
