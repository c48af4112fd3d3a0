"""Role-conditioned advantages (SPIRAL, arXiv 2506.24119, section 3.3): A_i = r_i - b(role of i).

In a game one seat may win more often than the other whatever the policy does (who moves first in Nim), so a baseline
over both seats would praise one role and blame the other for nothing. An answer is compared with answers in its own
seat only, by one of two baselines:

    others  the mean reward of the other answers of the role in the batch: unbiased, and nothing is remembered ema
    b <- decay b + (1 - decay) (mean reward of the role in this update); the b before it is used, from 0 (SPIRAL)

Answers of one episode are not independent, so the batch should be large against an episode; with few matches `others`
is noisy and `ema` steadier. `scale` divides by the deviation of the role in the batch (Absolute Zero, arXiv 2505.03335,
section 3.3).

The role is what the key of a problem names (`Key.data["role"]`), else its family. Degenerate: under `others` a role
with one answer, or in which all earn the same, gets zeros; under `ema` the first update has no baseline, so all that
earns is reinforced.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import fsum, sqrt
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ponder.algorithms.algorithm import Algorithm, Answers, Batch, Credits, each_group
from ponder.algorithms.group_relative import on_tokens
from ponder.types import Problem


class RoleBaseline(Algorithm):
    """Reward less what answers of the same role earn, on every token."""

    kind: Literal["role_baseline"] = "role_baseline"
    baseline: Literal["others", "ema"] = "others"
    decay: Annotated[float, Field(ge=0, lt=1)] = 0.95
    scale: bool = False
    epsilon: Annotated[float, Field(ge=0)] = 1e-6
    source: ClassVar[str] = "SPIRAL (arXiv 2506.24119, section 3.3); Absolute Zero (arXiv 2505.03335, section 3.3)"

    def credit(self, batch: Batch) -> Credits:
        rewards: dict[str, list[float]] = {}
        for group in batch.groups_P:
            rewards.setdefault(role_of(group.problem), []).extend(group.rewards_G)
        advantages = [self._of(group, rewards[role_of(group.problem)], batch.memory) for group in batch.groups_P]
        means = {role: fsum(some) / len(some) for role, some in rewards.items() if some}
        memory = dict(batch.memory)
        if self.baseline == "ema":
            memory |= {r: self.decay * memory.get(r, 0.0) + (1 - self.decay) * mean for r, mean in means.items()}
        metrics = {f"role/{role}": mean for role, mean in means.items()}
        return Credits(each_group(batch, advantages), metrics, memory)

    def _of(self, group: Answers, role: Sequence[float], memory: Mapping[str, float]) -> list[tuple[float, ...]]:
        count, total = len(role), fsum(role)
        live = len(set(role)) > 1
        factor = self._factor(role) if live else 1.0
        remembered = memory.get(role_of(group.problem), 0.0)
        out = []
        for answer in group.answers_G:
            if self.baseline == "ema":
                advantage = answer.reward - remembered
            else:
                advantage = answer.reward - (total - answer.reward) / (count - 1) if live else 0.0
            out.append(on_tokens(answer.trajectory, advantage * factor))
        return out

    def _factor(self, role: Sequence[float]) -> float:
        if not self.scale:
            return 1.0
        mean = fsum(role) / len(role)
        return 1.0 / (sqrt(fsum((reward - mean) ** 2 for reward in role) / len(role)) + self.epsilon)


def role_of(problem: Problem) -> str:
    """The role that answers this problem."""
    return str(problem.key.data.get("role", problem.family))
