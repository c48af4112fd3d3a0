"""Dr. GRPO (arXiv 2503.20783, section 3.2): A_i = r_i - mean(r).

No division by the deviation: that would weigh nearly solved and nearly hopeless problems most. Sums to zero over the
group and equals (G-1)/G times leave-one-out. Degenerate: equal rewards or a single answer give zeros.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from ponder.algorithms.algorithm import Algorithm, Batch, Credits, each_group
from ponder.algorithms.group_relative import relative, unscaled


class DrGRPO(Algorithm):
    """Reward less the mean of the group, on every token."""

    kind: Literal["dr_grpo"] = "dr_grpo"
    source: ClassVar[str] = "Dr. GRPO (arXiv 2503.20783, section 3.2)"

    def credit(self, batch: Batch) -> Credits:
        return Credits(each_group(batch, [relative(group, unscaled) for group in batch.groups_P]))
