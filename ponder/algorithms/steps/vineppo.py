"""VinePPO (arXiv 2410.01679, section 4): the value of a step end is the mean outcome of rollouts from there.

    A_k = V(s_(k+1)) - V(s_k),   V(s_k) = mean outcome of K rollouts from s_k,   V at the end = the answer's outcome

on all tokens of step k. No critic is trained: values are unbiased, their variance is p (1 - p) / K. Advantages of an
answer sum to its outcome less V(question). Rewards beyond the outcome are centred on the group and stand on all
tokens. The paper draws K = 9 after every step and whitens advantages over the batch; here 4 at up to five places,
unwhitened, so that a problem whose steps all have one value teaches nothing.

Degenerate: where the policy is deterministic all differences are 0. An answer of one step has A = outcome -
V(question).
"""

from __future__ import annotations

from math import fsum, sqrt
from typing import ClassVar, Literal

from ponder.algorithms.algorithm import Answer, Batch, Credits, RolloutSettings, each_group
from ponder.algorithms.steps.segments import beyond_outcome, checked_steps, differences, mean, on_steps


class VinePPO(RolloutSettings):
    """Values by rollouts from step ends; each step is paid what it changed."""

    kind: Literal["vineppo"] = "vineppo"
    whiten: bool = False
    source: ClassVar[str] = "VinePPO (arXiv 2410.01679, section 4); segments: SPO (arXiv 2505.23564)"

    def credit(self, batch: Batch) -> Credits:
        advantages = [
            [
                [batch.outcome_weight * a + rest for a in self._steps(answer)]
                for answer, rest in zip(group.answers_G, beyond_outcome(group), strict=True)
            ]
            for group in batch.groups_P
        ]
        if self.whiten:
            advantages = whitened(advantages)
        values = [mean(some) for a in batch.answers for some in a.rollouts_S if some]
        known = [value for value in values if value is not None]
        return Credits(each_group(batch, advantages), {"rollout_value": mean(known) or 0.0})

    def _steps(self, answer: Answer) -> list[float]:
        checked_steps(answer, answer.rollouts_S, "places with rollouts", self.kind)
        values_S = [None if outcomes is None else mean(outcomes) for outcomes in answer.rollouts_S]
        return on_steps(answer.trajectory, differences(values_S, answer.outcome))


def whitened(advantages: list[list[list[float]]], epsilon: float = 1e-6) -> list[list[list[float]]]:
    """Mean 0 and deviation 1 over all tokens; equal advantages become zeros."""
    flat = [a for group in advantages for row in group for a in row]
    if len(set(flat)) < 2:
        return [[[0.0] * len(row) for row in group] for group in advantages]
    middle = fsum(flat) / len(flat)
    scale = 1.0 / (sqrt(fsum((a - middle) ** 2 for a in flat) / len(flat)) + epsilon)
    return [[[(a - middle) * scale for a in row] for row in group] for group in advantages]
