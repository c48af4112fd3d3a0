"""The process verifier as a judge: scores every step of a trajectory, and the trajectory by aggregating its steps.

Its model is a token-classification checkpoint read at step ends (`models.heads.step_verifier`). How calls are batched,
what is read and what it costs: `BatchedJudge`.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from transformers import PreTrainedModel

from ponder.types import Trajectory, Verdict
from ponder.verifiers.aggregation import Aggregation, aggregate
from ponder.verifiers.learned.common.batched import PromptTokens, scores, step_ends
from ponder.verifiers.learned.common.headed import HeadedJudge
from ponder.verifiers.learned.common.heads import log_odds
from ponder.verifiers.learned.common.reader import Reader

__all__ = ["Aggregation", "ProcessVerifier", "aggregate", "step_ends"]


class ProcessVerifier(HeadedJudge):
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
        self.aggregation: Aggregation = aggregation
        self.temperature = temperature

    def places(self, length: int, trajectory: Trajectory) -> list[int]:
        return step_ends(length, trajectory)

    def numbers(self, states_NH: Tensor) -> Tensor:
        return log_odds(self.model, states_NH)

    def verdict(self, trajectory: Trajectory, numbers: Sequence[float]) -> Verdict:
        scores_S = scores(numbers, self.temperature)
        return Verdict(score=aggregate(scores_S, self.aggregation), step_scores=scores_S)
