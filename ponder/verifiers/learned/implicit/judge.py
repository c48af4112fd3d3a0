"""Implicit process reward as a judge (2412.01981): beta times the log-ratio to a reference, summed up to each step.

    score of prefix = sigma(beta * sum_t log(p(y_t) / p_ref(y_t)))

Two models read each token, its own and the reference; where the model is the policy itself (`shared`) its own states
are there once the trajectory was drawn, and only the reference counts. Model equal to reference: every score is 1/2.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import torch
from torch import Tensor
from transformers import PreTrainedModel

from ponder.models.heads import token_logprobs as plain_logprobs
from ponder.protocols import Price
from ponder.types import Question, Trajectory, Verdict
from ponder.verifiers.aggregation import Aggregation, aggregate
from ponder.verifiers.learned.common.batched import BatchedJudge, PromptTokens, by_row, indices, scores, step_ends
from ponder.verifiers.learned.common.heads import token_logprobs
from ponder.verifiers.learned.common.reader import Places, Reader, Tokens


class ImplicitVerifier(BatchedJudge):
    """`Judge` on two causal language models; with readers, one of each. `token_rewards` are what dense rewards are."""

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
        reader: Reader | None = None,
        reference_reader: Reader | None = None,
        micro_tokens: int = 8192,
    ) -> None:
        super().__init__(
            model,
            prompt_tokens,
            policy_parameters=policy_parameters,
            shared=shared,
            reader=reader,
            micro_tokens=micro_tokens,
        )
        if (reader is None) != (reference_reader is None):
            raise ValueError("an implicit verifier reads with both of its models or with none: hand in two readers")
        self.reference, self.reference_reader = reference, reference_reader
        self.beta, self.temperature = beta, temperature
        self.aggregation: Aggregation = aggregation
        both = sum(p.numel() for p in reference.parameters()) / policy_parameters
        self.ratio = both if shared else self.ratio + both

    @property
    def readers(self) -> tuple[Reader, ...]:
        pair = (self.reader, self.reference_reader)
        return tuple(reader for reader in pair if reader is not None)

    @property
    def tokens_scored(self) -> int:
        """Tokens that both models read, or the reference alone where the trunk is shared."""
        return self._padded + (0 if self.reference_reader is None else self.reference_reader.computed)

    def price(self, question: Question) -> Price:
        return self._reading(question, self.ratio)

    def extra(self, trajectory: Trajectory) -> float:
        return 0.0

    def places(self, length: int, trajectory: Trajectory) -> list[int]:
        """Before each token of the response."""
        return list(range(length - len(trajectory) - 1, length - 1))

    def verdict(self, trajectory: Trajectory, numbers: Sequence[float]) -> Verdict:
        sums = (0.0, *accumulate(numbers))
        log_odds_S = [sums[end + 1] for end in step_ends(len(trajectory), trajectory)]
        scores_S = scores(log_odds_S, self.temperature)
        return Verdict(score=aggregate(scores_S, self.aggregation), step_scores=scores_S)

    def token_rewards(self, rows: Sequence[Tokens], trajectories: Sequence[Trajectory]) -> list[tuple[float, ...]]:
        """The log-ratio times beta of every response token; their sum is beta times the log-ratio of the response."""
        places = [self.places(len(row), t) for row, t in zip(rows, trajectories, strict=True)]
        return list(map(tuple, self.forward(rows, places)))

    async def shown(self, rows: Sequence[Tokens], places: Places) -> list[list[float]]:
        assert self.reader is not None and self.reference_reader is not None
        own, other = await self.reader.read(rows, places), await self.reference_reader.read(rows, places)
        return self._rewards(torch.cat(own), torch.cat(other), rows, places)

    @torch.inference_mode()
    def _rewards(self, own_NH: Tensor, other_NH: Tensor, rows: Sequence[Tokens], places: Places) -> list[list[float]]:
        after = [row[at + 1] for row, some in zip(rows, places, strict=True) for at in some]
        next_N = torch.tensor(after, dtype=torch.long, device=own_NH.device)
        logprobs_N = token_logprobs(self.model, own_NH, next_N) - token_logprobs(self.reference, other_NH, next_N)
        return by_row(self.beta * logprobs_N, places)

    def batch(self, ids_BT: Tensor, places: Places) -> Tensor:
        at_B, at_T = indices(places, ids_BT.device)
        if not len(at_B):
            return torch.zeros(0, device=ids_BT.device)
        own_N, other_N = (plain_logprobs(model, ids_BT, at_B, at_T + 1) for model in (self.model, self.reference))
        return self.beta * (own_N - other_N)
