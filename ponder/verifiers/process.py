"""The process verifier as a judge: scores every step of a trajectory, and the trajectory by aggregating its steps.

Its model is a token-classification checkpoint read at step ends (`models.heads.step_verifier`). Calls from many
searches that wait at the same time share batches. Each call costs its tokens: prompt and response once through the
verifier, in token-equivalents of the policy (tokens times the ratio of parameters); see `BatchedJudge` for a trunk
that is shared with the policy.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from transformers import PreTrainedModel

from ponder.models.heads import padded, step_logits
from ponder.types import Trajectory, Verdict
from ponder.verifiers.aggregation import Aggregation, aggregate
from ponder.verifiers.learned.batched import BatchedJudge, PromptTokens, finite, step_ends

__all__ = ["Aggregation", "ProcessVerifier", "aggregate", "step_ends"]


class ProcessVerifier(BatchedJudge):
    """`Judge` on a step-verifier model. `prompt_tokens` must be the policy's own prompt.

    `temperature` divides the log-odds of a step (`evaluation.calibration.fit_temperature`); it never changes an order.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        prompt_tokens: PromptTokens,
        *,
        policy_parameters: int,
        aggregation: Aggregation = "last",
        temperature: float = 1.0,
        shared: bool = False,
        micro_tokens: int = 8192,
    ) -> None:
        super().__init__(
            model, prompt_tokens, policy_parameters=policy_parameters, shared=shared, micro_tokens=micro_tokens
        )
        self.aggregation: Aggregation = aggregation
        self.temperature = temperature

    def verdicts(self, rows: Sequence[tuple[int, ...]], trajectories: Sequence[Trajectory]) -> list[Verdict]:
        scores_BS = self._score(rows, trajectories)
        return [Verdict(score=aggregate(scores, self.aggregation), step_scores=scores) for scores in scores_BS]

    def _score(self, rows: Sequence[tuple[int, ...]], trajectories: Sequence[Trajectory]) -> list[tuple[float, ...]]:
        device = self.model.device
        ends_S = [step_ends(len(row), t) for row, t in zip(rows, trajectories, strict=True)]
        at_B = torch.tensor([i for i, ends in enumerate(ends_S) for _ in ends], device=device)
        at_T = torch.tensor([end for ends in ends_S for end in ends], device=device)
        logits = step_logits(self.model, padded(rows, device), at_B, at_T).float()
        scores = iter(finite(torch.sigmoid(logits / self.temperature).tolist()))
        return [tuple(next(scores) for _ in ends) for ends in ends_S]
