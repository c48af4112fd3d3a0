"""Dr. GRPO (arXiv 2503.20783, section 3.2): A_i = r_i - mean(r).

No division by the deviation: that would weigh nearly solved and nearly hopeless problems most. Sums to zero over the
group and equals (G-1)/G times leave-one-out. Degenerate: equal rewards or a single trajectory give zeros.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ponder.algorithms.spread import centred, spread
from ponder.rewards.components import Outcome, Reward
from ponder.types import Credit, Group


@dataclass(frozen=True)
class GroupMean:
    """Reward less the mean of the group, on every token."""

    reward: Reward = field(default_factory=Outcome)

    def __call__(self, group: Group) -> list[Credit]:
        rewarded = self.reward(group)
        return spread(rewarded, centred([r for _, r in rewarded]))
