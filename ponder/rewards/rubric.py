"""What a judging model says of an answer by a rubric, as a reward: for tasks that no checker can grade.

`criteria` say what is wanted, and the share of them that the judge finds met is paid. The judge is `model`: a folder or
hub id, the address of a chat server (`URL#NAME`), a decision server (`systemone:URL#NAME`), or empty for the policy
itself, which then judges its own answers. What speaks to the judge is taken out of an answer before it is judged
(`verifiers.rubric.screen`).

A judge can be learned to be fooled, and nobody can list how. So a run whose only reward this is says so in its log
(`notice`), and where answers can be graded the log holds `judge_agreement`, the share of answers on which judge (at
least 1/2) and truth agree: a reward that rises while the agreement falls is a judge that is being fooled.

An answer of which the judge gave no verdict is paid the mean of its group, so that it is neither praised nor blamed.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import fsum
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from ponder.rewards.component import Component, Graded
from ponder.types import PonderError


class Rubric(Component):
    """The share of criteria that a judging model finds met; a model's opinion, so keep `outcome` beside it."""

    kind: Literal["rubric"] = "rubric"
    criteria: Annotated[tuple[str, ...], Field(min_length=1)] = ("The answer is right.",)
    weights: tuple[Annotated[float, Field(gt=0)], ...] = ()
    model: str = ""
    max_tokens: Annotated[int, Field(ge=8)] = 512
    source: ClassVar[str] = "Rubrics as Rewards (arXiv 2507.17746); LLM-as-a-judge (arXiv 2306.05685)"
    needs: ClassVar[tuple[str, ...]] = ("judge",)

    @model_validator(mode="after")
    def _one_weight_each(self) -> Rubric:
        if self.weights and len(self.weights) != len(self.criteria):
            raise ValueError(
                f"{len(self.weights)} weights for {len(self.criteria)} criteria; give one for each or none"
            )
        if not all(map(str.strip, self.criteria)):
            raise ValueError("a criterion is empty; say in words what is wanted")
        return self

    def pay(self, graded: Graded) -> Sequence[float]:
        if len(graded.judged_G) != len(graded):
            raise PonderError(
                f"reward rubric: {len(graded.judged_G)} opinions for {len(graded)} answers to {graded.id}"
            )
        scores = [verdict.score for verdict in graded.judged_G]
        known = [score for score in scores if score is not None]
        mean = fsum(known) / len(known) if known else 0.0
        return [mean if score is None else score for score in scores]
