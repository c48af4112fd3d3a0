"""PAV (Rewarding Progress, arXiv 2410.08146): the outcome, and how much a step helps *another* prover mu.

    A_t = (r - mean r) + alpha (V_mu(s_(k+1)) - V_mu(s_k))     for the tokens of step k

With mu = the policy itself the second term is only its own advantage again; a prover that is somewhat better or worse
tells steps apart that the policy does not. By default it is the best of `best_of` draws of the policy, whose value is
1 - (1 - V)^K, estimated from n rollouts of which c are right by 1 - C(n-c, K) / C(n, K), which is unbiased (the plug-in
1 - (1 - c/n)^K is too low on average). `prover` names a model folder of another prover, with the policy's tokens.

The progress terms of an answer sum to outcome - V_mu(question). The paper used alpha 3 to 5; it weighs a term of the
outcome's own size, so 1 is where to begin. Degenerate: best_of=1 without a prover is VinePPO's signal scaled by alpha
beside the outcome; a prover that solves everything or nothing adds 0 everywhere but at the last step.
"""

from __future__ import annotations

import math
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from ponder.algorithms.algorithm import Answer, Batch, Credits, RolloutSettings, each_group
from ponder.algorithms.group_relative import relative, unscaled
from ponder.algorithms.steps.segments import checked_steps, differences, on_steps
from ponder.estimators import best_of_k


class PAV(RolloutSettings):
    """The outcome less the group's mean, and the progress of each step under another prover."""

    kind: Literal["pav"] = "pav"
    alpha: Annotated[float, Field(allow_inf_nan=False)] = 1.0
    best_of: Annotated[int, Field(ge=1)] = 4
    prover: str = ""
    source: ClassVar[str] = "Rewarding Progress (arXiv 2410.08146)"

    @model_validator(mode="after")
    def _enough_rollouts(self) -> PAV:
        if self.best_of > self.rollouts:
            raise ValueError(
                f"best_of={self.best_of} needs at least as many rollouts, got rollouts={self.rollouts}; raise rollouts "
                "or lower best_of"
            )
        return self

    def credit(self, batch: Batch) -> Credits:
        advantages = [
            [
                [
                    own + self.alpha * batch.outcome_weight * step
                    for own, step in zip(owns, self._progress(a), strict=True)
                ]
                for a, owns in zip(group.answers_G, relative(group, unscaled), strict=True)
            ]
            for group in batch.groups_P
        ]
        first = [answer.rollouts_S[0] for answer in batch.answers if answer.rollouts_S and answer.rollouts_S[0]]
        values = [v for v in (best_of_k(outcomes, self.best_of) for outcomes in first if outcomes) if v is not None]
        metrics = {"prover_value": math.fsum(values) / len(values)} if values else {}
        return Credits(each_group(batch, advantages), metrics)

    def _progress(self, answer: Answer) -> list[float]:
        checked_steps(answer, answer.rollouts_S, "places with rollouts", self.kind)
        values_S = [None if some is None else best_of_k(some, self.best_of) for some in answer.rollouts_S]
        return on_steps(answer.trajectory, differences(values_S, answer.outcome))
