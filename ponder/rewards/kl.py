"""A price for going away from the policy of the start: KL in the reward (InstructGPT, arXiv 2203.02155; RLOO).

    d_t = log mu(y_t) - log start(y_t)
    at="end"    -sum_t d_t at the end of the answer                     (RLOO, arXiv 2402.14740, equation 1)
    at="steps"  -sum of d_t over a step, at the end of that step        (PPO pays it at each token)

d is k1, the estimator whose policy gradient is that of KL(mu || start); k2 and k3 are here to be compared. The mean
over answers is an estimate of the divergence in nats an answer. In the loss instead: `loss.kl_coef`. Degenerate: at the
first update mu is the start and all pay is 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from math import fsum
from typing import ClassVar, Literal

from ponder.rewards.component import Component, Graded, Pay
from ponder.types import PonderError, Trajectory


class KL(Component):
    """Minus the divergence from the policy of the start, by the log-ratio of what was drawn."""

    kind: Literal["kl"] = "kl"
    weight: float = 0.01
    at: Literal["end", "steps"] = "end"
    estimator: Literal["k1", "k2", "k3"] = "k1"
    source: ClassVar[str] = "InstructGPT (arXiv 2203.02155); RLOO (arXiv 2402.14740, equation 1)"
    needs: ClassVar[tuple[str, ...]] = ("reference",)

    def pay(self, graded: Graded) -> Sequence[Pay]:
        if len(graded.reference_GT) != len(graded):
            raise PonderError(
                f"reward kl: log-probabilities of the start for {len(graded.reference_GT)} of {len(graded)} answers to "
                f"{graded.id}"
            )
        return [self._of(t, start_T) for t, start_T in zip(graded.trajectories_G, graded.reference_GT, strict=True)]

    def _of(self, trajectory: Trajectory, start_T: Sequence[float]) -> Pay:
        steps_S, rest = [], iter(start_T)
        for step in trajectory.steps:
            known = [(p, next(rest)) for p in step.logprobs]
            steps_S.append(0.0 if step.forced else -fsum(self._estimate(p - q) for p, q in known))
        return Pay(fsum(steps_S)) if self.at == "end" else Pay(steps_S=tuple(steps_S))

    def _estimate(self, d: float) -> float:
        if self.estimator == "k1":
            return d
        return d * d / 2 if self.estimator == "k2" else math.exp(min(-d, 20.0)) - 1 + d
