"""On-policy distillation (GKD, arXiv 2306.13649; MiniLLM, arXiv 2306.08543): a teacher judges each token of the policy.

    A_t = clip(log q(y_t) - log mu(y_t), -limit, limit) + reward (R - mean R)

The policy gradient of log q - log pi on the policy's own samples is minus the gradient of the reverse KL(pi || q) at
each token (k1 as a reward, without the effect of a token on later ones). The teacher is the model folder
`teacher.model`, with the policy's tokens. `reward` above 0 adds what the answer earned. To distil what a search finds
instead, imitate it: `--preset distil_search`.

A problem needs no right answer to teach. Degenerate: teacher = policy gives zeros (rounding apart).
"""

from __future__ import annotations

from math import fsum
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ponder.algorithms.algorithm import Algorithm, Answer, Batch, Credits, each_group
from ponder.algorithms.group_relative import relative, unscaled
from ponder.types import PonderError


class Distillation(Algorithm):
    """How much likelier a teacher finds each token than the policy did: reverse KL on the policy's own answers."""

    kind: Literal["distillation"] = "distillation"
    limit: Annotated[float, Field(gt=0)] = 5.0
    reward: Annotated[float, Field(ge=0)] = 0.0
    source: ClassVar[str] = "GKD (arXiv 2306.13649); MiniLLM (arXiv 2306.08543)"
    needs: ClassVar[tuple[str, ...]] = ("teacher",)
    loss: ClassVar[str] = "reinforce"

    def credit(self, batch: Batch) -> Credits:
        advantages = [
            [
                [t + self.reward * own for t, own in zip(self._of(answer), owns, strict=True)]
                for answer, owns in zip(group.answers_G, relative(group, unscaled), strict=True)
            ]
            for group in batch.groups_P
        ]
        gaps = [-a for answer in batch.answers for a in self._of(answer)]
        return Credits(each_group(batch, advantages), {"teacher_kl": fsum(gaps) / len(gaps)} if gaps else {})

    def _of(self, answer: Answer) -> list[float]:
        trajectory = answer.trajectory
        if len(answer.teacher_T) != len(trajectory):
            raise PonderError(
                f"algorithm distillation: {len(answer.teacher_T)} log-probabilities of the teacher for "
                f"{len(trajectory)} tokens of an answer to {trajectory.question.id}"
            )
        forced_T = [step.forced for step in trajectory.steps for _ in step.tokens]
        return [
            0.0 if forced else max(-self.limit, min(self.limit, q - mu))
            for q, mu, forced in zip(answer.teacher_T, trajectory.logprobs, forced_T, strict=True)
        ]
