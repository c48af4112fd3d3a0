"""L1 / LCPO (arXiv 2503.04697): an asked-for length n, met exactly or at most.

    exact    r = outcome - alpha |n - length|
    at_most  r = outcome * clip(alpha (n - length) + delta, 0, 1)

The number asked for stands in the prompt and in the key where `selection.length_targets` puts it there; `target` is for
problems without one. It holds the outcome already, so it stands instead of `outcome` and not beside it. The paper's
alpha is 3e-4 for lengths up to 4,000; here 1e-3, for some hundreds. At length n "exact" pays the outcome, "at_most"
delta times it; a wrong answer never gains by its length under "at_most".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ponder.rewards.component import Component, Graded

TARGET = "length_target"  # of a problem's key


class L1(Component):
    """The outcome, less a price for missing an asked-for length. Use it instead of outcome."""

    kind: Literal["l1"] = "l1"
    form: Literal["exact", "at_most"] = "exact"
    target: Annotated[int, Field(ge=1)] = 200
    alpha: Annotated[float, Field(gt=0)] = 1e-3
    delta: Annotated[float, Field(ge=0, le=1)] = 0.5
    source: ClassVar[str] = "L1 (arXiv 2503.04697)"

    def pay(self, graded: Graded) -> Sequence[float]:
        wanted = int(graded.group.problem.key.data.get(TARGET, self.target))
        return [
            self.of(len(t), outcome, wanted)
            for t, outcome in zip(graded.trajectories_G, graded.outcomes_G, strict=True)
        ]

    def of(self, length: int, outcome: float, wanted: int) -> float:
        """The reward of an answer of `length` tokens where `wanted` were asked for."""
        if self.form == "exact":
            return outcome - self.alpha * abs(wanted - length)
        return outcome * min(1.0, max(0.0, self.alpha * (wanted - length) + self.delta))
