"""GRPO (DeepSeekMath, arXiv 2402.03300, section 4.1.2): A_i = (r_i - mean(r)) / (std(r) + epsilon).

The paper does not say which deviation; `sample=True` divides the squares by G-1 (so sum A^2 = G-1), `sample=False` by
G (sum A^2 = G). A positive affine change of the rewards leaves A as it is. Degenerate: equal rewards or a single
trajectory give zeros.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import fsum, sqrt

from ponder.algorithms.spread import centred, spread
from ponder.rewards.components import Outcome, Reward
from ponder.types import Credit, Group


@dataclass(frozen=True)
class GroupNormalised:
    """Reward less the group's mean, in units of the group's deviation."""

    reward: Reward = field(default_factory=Outcome)
    sample: bool = True
    epsilon: float = 1e-6

    def __call__(self, group: Group) -> list[Credit]:
        rewarded = self.reward(group)
        differences = centred([r for _, r in rewarded])
        count = len(differences) - 1 if self.sample else len(differences)
        deviation = sqrt(fsum(d * d for d in differences) / count) if count else 0.0
        # A zero stays a zero even where deviation and epsilon are zero too.
        return spread(rewarded, [d / (deviation + self.epsilon) if d else 0.0 for d in differences])
