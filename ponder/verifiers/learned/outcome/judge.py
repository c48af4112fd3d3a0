"""Outcome reward model as a judge (2110.14168): one score at the last token, and no step scores.

The per-token variant has an opinion at every token and is read at step ends, which makes it a `ProcessVerifier`.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from transformers import PreTrainedModel

from ponder.types import Trajectory, Verdict
from ponder.verifiers.learned.common.batched import PromptTokens, scores
from ponder.verifiers.learned.common.headed import HeadedJudge
from ponder.verifiers.learned.common.heads import log_odds
from ponder.verifiers.learned.common.reader import Reader


class OutcomeVerifier(HeadedJudge):
    """`Judge` on a sequence-classification model with one output, whose logistic is the score."""

    def __init__(
        self,
        model: PreTrainedModel,
        prompt_tokens: PromptTokens,
        *,
        policy_parameters: int,
        temperature: float = 1.0,
        shared: bool = False,
        reader: Reader | None = None,
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
        self.temperature = temperature

    def looks(self, trajectory: Trajectory) -> int:
        return 1

    def places(self, length: int, trajectory: Trajectory) -> list[int]:
        return [length - 1]

    def numbers(self, states_NH: Tensor) -> Tensor:
        return log_odds(self.model, states_NH)

    def verdict(self, trajectory: Trajectory, numbers: Sequence[float]) -> Verdict:
        return Verdict(score=scores(numbers, self.temperature)[0])
