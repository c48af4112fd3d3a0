"""Process credit from the run's step verifier: each step is paid the change of the verifier's score that it made.

    A_t = (r - mean r) + alpha (v_k - v_(k-1))     for the tokens of step k, v_0 = mean of the group's first scores

The same as PAV with the verifier in the place of rollouts: nothing is drawn, but the scores are learned. It differs
from the reward `process` (shape difference), where a token carries all changes that are still to come: there a step is
answerable for what follows it, here for itself alone.

Degenerate: constant scores leave the outcome alone. A verifier that is wrong misleads at every step: watch how well it
agrees with the truth.
"""

from __future__ import annotations

from math import fsum
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ponder.algorithms.algorithm import Algorithm, Answers, Batch, Credits, each_group
from ponder.algorithms.group_relative import relative, unscaled
from ponder.algorithms.steps.segments import checked_steps, on_steps


class VerifierProgress(Algorithm):
    """The outcome less the group's mean, and the change of the verifier's score at each step."""

    kind: Literal["verifier_progress"] = "verifier_progress"
    alpha: Annotated[float, Field(allow_inf_nan=False)] = 0.5
    source: ClassVar[str] = "PAV (arXiv 2410.08146) with the verifier's own values; Math-Shepherd (arXiv 2312.08935)"
    needs: ClassVar[tuple[str, ...]] = ("verifier",)

    def credit(self, batch: Batch) -> Credits:
        return Credits(each_group(batch, [self._group(group) for group in batch.groups_P]))

    def _group(self, group: Answers) -> list[list[float]]:
        for answer in group.answers_G:
            checked_steps(answer, answer.scores_S, "scores of the verifier", self.kind)
        firsts = [answer.scores_S[0] for answer in group.answers_G]
        start = fsum(firsts) / len(firsts) if firsts else 0.0
        out = []
        for answer, owns in zip(group.answers_G, relative(group, unscaled), strict=True):
            before_S = (start, *answer.scores_S[:-1])
            changes = [after - before for after, before in zip(answer.scores_S, before_S, strict=True)]
            steps = on_steps(answer.trajectory, changes)
            out.append([own + self.alpha * step for own, step in zip(owns, steps, strict=True)])
        return out
