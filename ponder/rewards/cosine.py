"""The cosine reward (arXiv 2502.03373): right answers prefer to be short, wrong ones to think longer.

    f(t, T, a, b) = b + (a - b) / 2 (1 + cos(pi t / T)): a at length 0, b at length T
    right  f(length, limit, right_short, right_long)      wrong  f(length, limit, wrong_short, wrong_long)
    at or beyond the limit: `beyond`

It holds the outcome already, so it stands instead of `outcome` and not beside it. The paper's values are 2 and 1 for
right answers, -10 and 0 for wrong ones, -10 beyond; here they are in the units of an outcome of 1, at a tenth.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ponder.rewards.component import Component, Graded

Finite = Annotated[float, Field(allow_inf_nan=False)]


class Cosine(Component):
    """Outcome and length in one: short right answers earn most, short wrong ones least. Use it instead of outcome."""

    kind: Literal["cosine"] = "cosine"
    limit: Annotated[int, Field(ge=1)] = 400
    right_short: Finite = 1.0
    right_long: Finite = 0.5
    wrong_short: Finite = -1.0
    wrong_long: Finite = 0.0
    beyond: Finite = -1.0
    source: ClassVar[str] = "Demystifying Long CoT (arXiv 2502.03373)"

    def pay(self, graded: Graded) -> Sequence[float]:
        return [self.of(len(t), y > 0.5) for t, y in zip(graded.trajectories_G, graded.outcomes_G, strict=True)]

    def of(self, length: int, right: bool) -> float:
        """The reward of an answer of `length` tokens."""
        if length >= self.limit:
            return self.beyond
        short, long = (self.right_short, self.right_long) if right else (self.wrong_short, self.wrong_long)
        return long + 0.5 * (short - long) * (1 + math.cos(math.pi * length / self.limit))
