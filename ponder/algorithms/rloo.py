"""RLOO (arXiv 2402.14740, section 3.3): A_i = r_i - mean of the other G-1 rewards = G/(G-1) * (r_i - mean(r)).

The baseline does not contain r_i, so the gradient is unbiased. Degenerate: equal rewards give zeros; a single answer
has no others to compare with and gets zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

from ponder.algorithms.algorithm import Algorithm, Batch, Credits, each_group
from ponder.algorithms.group_relative import relative


class RLOO(Algorithm):
    """Reward less the mean of the others, on every token."""

    kind: Literal["rloo"] = "rloo"
    source: ClassVar[str] = "RLOO (arXiv 2402.14740, section 3.3)"

    def credit(self, batch: Batch) -> Credits:
        return Credits(each_group(batch, [relative(group, _leave_one_out) for group in batch.groups_P]))


def _leave_one_out(centred: Sequence[float]) -> float:
    count = len(centred)
    return count / (count - 1) if count > 1 else 0.0
