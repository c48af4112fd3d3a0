"""The plain outcome: r = 1 for a right answer, 0 for a wrong one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

from ponder.rewards.component import Component, Graded


class Outcome(Component):
    """Ground truth: 1 for a right answer, 0 for a wrong one."""

    kind: Literal["outcome"] = "outcome"
    source: ClassVar[str] = "verifiable rewards (Tulu 3, arXiv 2411.15124, section 6)"

    def pay(self, graded: Graded) -> Sequence[float]:
        return graded.outcomes_G
