"""REINFORCE++ (arXiv 2501.03262, section 3.2): advantages whitened over the whole batch, not over a group.

    A_it = (R_it - mean) / (std + epsilon),  mean and std over all tokens of all answers of the update

R_it is what token t of answer i still earns (its whole reward if there are no step rewards). With `baseline="group"`
the group's mean is taken off first and only the scale is the batch's (the paper's variant for groups). A problem that
is always solved thus still teaches (its answers are better than the batch's mean) unless the baseline is the group.
Degenerate: a batch in which everything earns the same gives zeros.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import fsum, sqrt
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ponder.algorithms.algorithm import Algorithm, Answers, Batch, Credits, each_group
from ponder.algorithms.group_relative import on_tokens, relative, to_go, unscaled


class ReinforcePP(Algorithm):
    """Rewards whitened over all tokens of the batch."""

    kind: Literal["reinforce_pp"] = "reinforce_pp"
    baseline: Literal["batch", "group"] = "batch"
    epsilon: Annotated[float, Field(ge=0)] = 1e-6
    source: ClassVar[str] = "REINFORCE++ (arXiv 2501.03262, section 3.2)"

    def credit(self, batch: Batch) -> Credits:
        returns_PGT = [self._returns(group) for group in batch.groups_P]
        flat = [value for returns_GT in returns_PGT for returns_T in returns_GT for value in returns_T]
        mean = fsum(flat) / len(flat) if flat else 0.0
        spread = sqrt(fsum((value - mean) ** 2 for value in flat) / len(flat)) if flat else 0.0
        # Equal returns differ from their mean by rounding alone; that must not be scaled up to a signal.
        scale = 1.0 / (spread + self.epsilon) if len(set(flat)) > 1 else 0.0
        centre = mean if self.baseline == "batch" else 0.0
        whitened = [
            [[(value - centre) * scale for value in returns_T] for returns_T in returns_GT]
            for returns_GT in returns_PGT
        ]
        return Credits(each_group(batch, whitened), {"return_mean": mean, "return_deviation": spread})

    def _returns(self, group: Answers) -> Sequence[Sequence[float]]:
        if self.baseline == "group":
            return relative(group, unscaled)
        return [
            [
                end + later
                for end, later in zip(
                    on_tokens(answer.trajectory, answer.earned.reward),
                    to_go(answer.trajectory, answer.earned.steps_S),
                    strict=True,
                )
            ]
            for answer in group.answers_G
        ]
