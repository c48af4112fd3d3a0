"""The verifier's score as reward: where the verifier meets the policy.

    score       v_S at the end: the verifier's score of the whole trajectory
    difference  v_k - v_(k-1) at the end of step k, v_0 the mean first-step score of the group; sums to v_S - v_0
    minimum     min over k of v_k at the end (a chain is as good as its weakest step)

A learned score can be learned to be fooled: keep the outcome beside it, and watch the agreement with ground truth that
the reward-hacking monitor draws. Differences are potential-based shaping (Ng et al. 1999): they move credit to the step
that changed the verifier's mind and leave the sum what the last score is, so a chain gains nothing by being long.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import fsum
from typing import ClassVar, Literal

from ponder.rewards.component import Component, Graded, Pay
from ponder.types import PonderError, Verdict


class Process(Component):
    """The verifier's score as reward: its last score, its weakest step, or the difference that each step made."""

    kind: Literal["process"] = "process"
    weight: float = 0.3
    shape: Literal["score", "difference", "minimum"] = "difference"
    source: ClassVar[str] = "Math-Shepherd (arXiv 2312.08935, section 3.4); PAV (arXiv 2410.08146); Ng et al. 1999"
    needs: ClassVar[tuple[str, ...]] = ("verifier",)

    def pay(self, graded: Graded) -> Sequence[Pay]:
        if len(graded.scores_G) != len(graded):
            raise PonderError(f"reward process: {len(graded.scores_G)} scores for {len(graded)} answers to {graded.id}")
        scores_GS = [_step_scores(verdict, graded.id) for verdict in graded.scores_G]
        start = fsum(scores_S[0] for scores_S in scores_GS) / len(scores_GS) if scores_GS else 0.0
        return [self._of(scores_S, start) for scores_S in scores_GS]

    def _of(self, scores_S: Sequence[float], start: float) -> Pay:
        if self.shape == "score":
            return Pay(scores_S[-1])
        if self.shape == "minimum":
            return Pay(min(scores_S))
        before_S = (start, *scores_S[:-1])
        return Pay(steps_S=tuple(after - before for after, before in zip(scores_S, before_S, strict=True)))


def _step_scores(verdict: Verdict, id: str) -> Sequence[float]:
    if not verdict.step_scores:
        raise PonderError(
            f"reward process: the verifier gave no step scores for an answer to {id}; use a verifier that scores "
            "steps, or shape an outcome verifier's score by hand"
        )
    return verdict.step_scores
