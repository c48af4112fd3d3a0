"""RLOO (arXiv 2402.14740, section 3.3): A_i = r_i - mean of the other G-1 rewards = G/(G-1) * (r_i - mean(r)).

The baseline does not contain r_i, so the gradient is unbiased. Degenerate: equal rewards give zeros; a single
trajectory has no others to compare with and gets zero.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ponder.algorithms.spread import centred, spread
from ponder.rewards.components import Outcome, Reward
from ponder.types import Credit, Group


@dataclass(frozen=True)
class LeaveOneOut:
    """Reward less the mean of the others, on every token."""

    reward: Reward = field(default_factory=Outcome)

    def __call__(self, group: Group) -> list[Credit]:
        rewarded = self.reward(group)
        count = len(rewarded)
        scale = count / (count - 1) if count > 1 else 0.0
        return spread(rewarded, [scale * d for d in centred([r for _, r in rewarded])])
