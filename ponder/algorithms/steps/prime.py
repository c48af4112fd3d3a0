"""PRIME (arXiv 2502.01456): token rewards of an implicit reward model that learns online.

    r_t = beta (log phi(y_t) - log ref(y_t))
    A_t = weight sum_(s >= t) gamma^(s-t) (r_s - b) + (R - mean of the others' R),   b = mean of the others' mean r

phi starts as a copy of the policy and ref stays one. After each update's answers are scored, phi learns from their
outcomes by the cross entropy of sigma(sum_t r_t); `update=before` lets it learn first. How it is trained is set below
`implicit`. b is the mean over the other answers of the mean reward of their tokens (leave-one-out).

The token rewards of an answer sum to beta times its log-ratio. Degenerate: phi = ref gives r = 0 and A is RLOO's, so
the first update (with update=after) is one of RLOO. A single answer has no others and gets its token rewards alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import fsum
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ponder.algorithms.algorithm import Algorithm, Answers, Batch, Credits, each_group
from ponder.algorithms.rloo import RLOO
from ponder.types import PonderError


class Prime(Algorithm):
    """Token rewards of a second model that learns from outcomes online, and leave-one-out outcomes."""

    kind: Literal["prime"] = "prime"
    beta: Annotated[float, Field(gt=0)] = 0.05
    gamma: Annotated[float, Field(ge=0, le=1)] = 1.0
    weight: Annotated[float, Field(ge=0)] = 1.0
    update: Literal["after", "before"] = "after"
    source: ClassVar[str] = "PRIME (arXiv 2502.01456)"
    needs: ClassVar[tuple[str, ...]] = ("implicit",)

    def credit(self, batch: Batch) -> Credits:
        outcome = RLOO().credit(batch).credits_PG
        advantages = []
        for group, credits_G in zip(batch.groups_P, outcome, strict=True):
            dense = self._dense(group)
            advantages.append(
                [
                    [a + d for a, d in zip(credit.advantages_T, dense_T, strict=True)]
                    for credit, dense_T in zip(credits_G, dense, strict=True)
                ]
            )
        sums = [fsum(answer.implicit_T) for answer in batch.answers]
        metrics = {"implicit_reward": fsum(sums) / len(sums)} if sums else {}
        return Credits(each_group(batch, advantages), metrics)

    def _dense(self, group: Answers) -> list[list[float]]:
        for answer in group.answers_G:
            if len(answer.implicit_T) != len(answer.trajectory):
                raise PonderError(
                    f"algorithm prime: {len(answer.implicit_T)} token rewards for {len(answer.trajectory)} tokens of "
                    f"an answer to {group.problem.id}"
                )
        means = [fsum(answer.implicit_T) / len(answer.implicit_T) for answer in group.answers_G]
        total, others = fsum(means), len(means) - 1
        baselines = [(total - own) / others if others else 0.0 for own in means]
        return [
            [self.weight * later for later in self._to_go([r - b for r in answer.implicit_T])]
            for answer, b in zip(group.answers_G, baselines, strict=True)
        ]

    def _to_go(self, rewards_T: Sequence[float]) -> list[float]:
        out, later = [0.0] * len(rewards_T), 0.0
        for t in reversed(range(len(rewards_T))):
            later = rewards_T[t] + self.gamma * later
            out[t] = later
        return out
