"""Implicit process reward as a judge (2412.01981): beta times the log-ratio to a reference, summed up to each step.

    score of prefix = sigma(beta * sum_t log(p(y_t) / p_ref(y_t)))

It costs two forward passes, its own and the reference's; where the model is the policy itself (`shared`) its own
log-probabilities came with the drawing, and only the reference counts. Model equal to reference: every score is 1/2.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import torch
from transformers import PreTrainedModel

from ponder.models.heads import padded, token_logprobs
from ponder.types import Question, Trajectory, Verdict
from ponder.verifiers.aggregation import Aggregation, aggregate
from ponder.verifiers.learned.batched import BatchedJudge, PromptTokens, finite, step_ends


class ImplicitVerifier(BatchedJudge):
    """`Judge` on two causal language models. `token_rewards` is what dense rewards are made of."""

    def __init__(
        self,
        model: PreTrainedModel,
        reference: PreTrainedModel,
        prompt_tokens: PromptTokens,
        *,
        policy_parameters: int,
        shared: bool = False,
        beta: float = 0.05,
        aggregation: Aggregation = "last",
        temperature: float = 1.0,
        micro_tokens: int = 8192,
    ) -> None:
        super().__init__(
            model, prompt_tokens, policy_parameters=policy_parameters, shared=shared, micro_tokens=micro_tokens
        )
        self.reference, self.beta, self.temperature = reference, beta, temperature
        self.aggregation: Aggregation = aggregation
        both = sum(p.numel() for p in reference.parameters()) / policy_parameters
        self.ratio = both if shared else self.ratio + both

    def cost(self, trajectory: Trajectory) -> float:
        return self.ratio * len(self.row(trajectory))

    def bound(self, question: Question, tokens: int) -> float:
        return self.ratio * (len(self.prompt_tokens(question)) + tokens)

    def verdicts(self, rows: Sequence[tuple[int, ...]], trajectories: Sequence[Trajectory]) -> list[Verdict]:
        found = []
        for row, trajectory, rewards in zip(rows, trajectories, self.token_rewards(rows, trajectories), strict=True):
            sums = (0.0, *accumulate(rewards))
            start = len(row) - len(trajectory)
            logits = torch.tensor([sums[end + 1 - start] for end in step_ends(len(row), trajectory)])
            scores = tuple(finite(torch.sigmoid(logits / self.temperature).tolist()))
            found.append(Verdict(score=aggregate(scores, self.aggregation), step_scores=scores))
        return found

    @torch.inference_mode()
    def token_rewards(
        self, rows: Sequence[tuple[int, ...]], trajectories: Sequence[Trajectory]
    ) -> list[tuple[float, ...]]:
        """The log-ratio times beta of every response token; their sum is beta times the log-ratio of the response."""
        device = self.model.device
        ids_BT = padded(rows, device)
        places = [(i, at) for i, t in enumerate(trajectories) for at in range(len(rows[i]) - len(t), len(rows[i]))]
        if not places:
            return [() for _ in rows]
        at_B, at_T = (torch.tensor(some, device=device) for some in zip(*places, strict=True))
        ratios_N = token_logprobs(self.model, ids_BT, at_B, at_T) - token_logprobs(self.reference, ids_BT, at_B, at_T)
        rewards = iter((self.beta * ratios_N).tolist())
        return [tuple(next(rewards) for _ in range(len(t))) for t in trajectories]
