"""Generalised advantage estimation (arXiv 1506.02438, equation 16) with a critic, as in PPO.

    delta_t = r_t + gamma V_(t+1) - V_t,   A_t = delta_t + gamma lambda A_(t+1),   return_t = A_t + V_t

V_t is the critic's value before token t and V after the last token is 0 (the episode is over). r_t is the end reward at
the last token and a step reward at the last token of its step. `lambda_policy` may follow the length of the answer,
lambda = 1 - 1 / (adaptive * length) (VAPO, arXiv 2504.05118, section 4.2), for one lambda is too short-sighted for long
answers and too noisy for short ones; the critic learns from returns of its own lambda (1: the plain reward to come).
With `whiten` advantages are standardised over all tokens of the batch.

Degenerate: with V = 0 and lambda = gamma = 1 every token gets the reward that is still to come. A critic that is right
gives advantages of mean zero. An answer of one token: A = r - V.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import fsum, isfinite, sqrt
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ponder.algorithms.algorithm import Algorithm, Answer, Batch, Credits
from ponder.types import Credit, PonderError

Share = Annotated[float, Field(ge=0, le=1)]


class GAE(Algorithm):
    """Advantages from a critic's values, discounted over the errors that are still to come (PPO)."""

    kind: Literal["gae"] = "gae"
    gamma: Share = 1.0
    lambda_policy: Share = 0.95
    lambda_critic: Share = 1.0
    adaptive: Annotated[float, Field(ge=0)] = 0.0
    whiten: bool = True
    epsilon: Annotated[float, Field(ge=0)] = 1e-6
    source: ClassVar[str] = "GAE (arXiv 1506.02438, equation 16); PPO (arXiv 1707.06347); VAPO (arXiv 2504.05118)"
    needs: ClassVar[tuple[str, ...]] = ("critic",)

    def credit(self, batch: Batch) -> Credits:
        credits_PG = [[self._credit(answer) for answer in group.answers_G] for group in batch.groups_P]
        flat = [advantage for credits_G in credits_PG for credit in credits_G for advantage in credit.advantages_T]
        metrics = {"explained_variance": _explained(credits_PG)}
        if not self.whiten or not flat:
            return Credits(tuple(map(tuple, credits_PG)), metrics)
        mean = fsum(flat) / len(flat)
        scale = 1.0 / (sqrt(fsum((a - mean) ** 2 for a in flat) / len(flat)) + self.epsilon)
        whitened = tuple(
            tuple(
                Credit(c.trajectory, tuple((a - mean) * scale for a in c.advantages_T), c.returns_T, c.values_T)
                for c in credits_G
            )
            for credits_G in credits_PG
        )
        return Credits(whitened, metrics)

    def _credit(self, answer: Answer) -> Credit:
        rewards_T, values_T = rewards_of(answer), answer.values_T
        if len(values_T) != len(rewards_T):
            raise PonderError(
                f"algorithm gae: {len(values_T)} values for {len(rewards_T)} tokens of an answer to "
                f"{answer.trajectory.question.id}; gae needs the critic's value before each token"
            )
        if not all(map(isfinite, values_T)):
            raise PonderError(
                f"algorithm gae: the critic's value of an answer to {answer.trajectory.question.id} is not finite, so "
                "the critic diverged; lower critic.learning_rate and go on from an earlier checkpoint"
            )
        decay = 1 - 1 / (self.adaptive * len(rewards_T)) if self.adaptive else self.lambda_policy
        advantages_T = gae(rewards_T, values_T, self.gamma, max(0.0, decay))
        targets_T = gae(rewards_T, values_T, self.gamma, self.lambda_critic)
        returns_T = tuple(a + v for a, v in zip(targets_T, values_T, strict=True))
        return Credit(answer.trajectory, tuple(advantages_T), returns_T, values_T)


def rewards_of(answer: Answer) -> list[float]:
    """The reward at each token: step rewards at the ends of steps, the rest at the last token."""
    rewards_T = [0.0] * len(answer.trajectory)
    place = 0
    for step, reward in zip(answer.trajectory.steps, answer.earned.steps_S, strict=False):
        place += len(step.tokens)
        rewards_T[place - 1] += reward
    rewards_T[-1] += answer.earned.reward
    return rewards_T


def gae(rewards_T: Sequence[float], values_T: Sequence[float], gamma: float, decay: float) -> list[float]:
    """Equation 16 from the last token to the first; the value after the last token is 0."""
    advantages_T = [0.0] * len(rewards_T)
    advantage = after = 0.0
    for t in reversed(range(len(rewards_T))):
        advantage = rewards_T[t] + gamma * after - values_T[t] + gamma * decay * advantage
        after = values_T[t]
        advantages_T[t] = advantage
    return advantages_T


def _explained(credits_PG: Sequence[Sequence[Credit]]) -> float:
    """1 - var(return - value) / var(return): 1 for a critic that is right, 0 for one that knows only the mean."""
    pairs = [
        pair
        for credits_G in credits_PG
        for credit in credits_G
        for pair in zip(credit.returns_T, credit.values_T, strict=True)
    ]
    returns, errors = [r for r, _ in pairs], [r - v for r, v in pairs]
    total = _variance(returns)
    return 1.0 - _variance(errors) / total if total else 0.0


def _variance(values: Sequence[float]) -> float:
    mean = fsum(values) / len(values) if values else 0.0
    return fsum((value - mean) ** 2 for value in values) / len(values) if values else 0.0
