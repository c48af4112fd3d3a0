"""Role-conditioned advantages (SPIRAL, arXiv 2506.24119, section 3.3): A_i = r_i - b(role of i).

In a game one seat may win more often than the other whatever the policy does (who moves first in Nim), so a baseline
over both seats would praise one role and blame the other for nothing. Here b is the mean reward of the other answers of
the same role in the batch: an answer is compared with answers in its own seat only. The paper keeps a moving average
instead; the mean of the batch has the same expectation, needs no state between updates, and leaving the answer itself
out keeps the gradient unbiased. Answers of one episode are not independent, so an answer is compared with the answers
of other episodes where the batch is large against an episode; with few matches the baseline is noisy.

The role is what the key of a problem names (`Key.data["role"]`), else its family. Degenerate: a role with one answer,
or in which all earn the same, gets zeros.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import fsum
from typing import ClassVar, Literal

from ponder.algorithms.algorithm import Algorithm, Answers, Batch, Credits, each_group
from ponder.algorithms.group_relative import on_tokens
from ponder.types import Problem


class RoleBaseline(Algorithm):
    """Reward less the mean of the other answers of the same role in the batch, on every token."""

    kind: Literal["role_baseline"] = "role_baseline"
    source: ClassVar[str] = "SPIRAL (arXiv 2506.24119, section 3.3), with the batch's mean for the moving average"

    def credit(self, batch: Batch) -> Credits:
        rewards: dict[str, list[float]] = {}
        for group in batch.groups_P:
            rewards.setdefault(role_of(group.problem), []).extend(group.rewards_G)
        advantages = [self._of(group, rewards[role_of(group.problem)]) for group in batch.groups_P]
        means = {f"role/{role}": fsum(some) / len(some) for role, some in rewards.items() if some}
        return Credits(each_group(batch, advantages), means)

    @staticmethod
    def _of(group: Answers, role: Sequence[float]) -> list[tuple[float, ...]]:
        count, total = len(role), fsum(role)
        live = len(set(role)) > 1
        return [
            on_tokens(answer.trajectory, reward - (total - reward) / (count - 1) if live else 0.0)
            for answer, reward in zip(group.answers_G, group.rewards_G, strict=True)
        ]


def role_of(problem: Problem) -> str:
    """The role that answers this problem."""
    return str(problem.key.data.get("role", problem.family))
