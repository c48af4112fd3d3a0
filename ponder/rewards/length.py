"""A price on length: relative to the other answers of the group, or beyond a limit.

Lengths are generated tokens, forced ones included.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from ponder.rewards.component import Component, Graded


class RelativeLength(Component):
    """Short answers of a group are worth more than long ones; wrong answers never gain.

    lambda_i = 1/2 - (len_i - min) / (max - min); a right answer is paid lambda_i, a wrong one min(0, lambda_i).
    Degenerate: equal lengths pay 0.
    """

    kind: Literal["relative_length"] = "relative_length"
    weight: Annotated[float, Field(allow_inf_nan=False)] = 0.1
    source: ClassVar[str] = "Kimi k1.5 (arXiv 2501.12599, section 2.3.3)"

    def pay(self, graded: Graded) -> Sequence[float]:
        lengths = [len(trajectory) for trajectory in graded.trajectories_G]
        if not lengths or min(lengths) == max(lengths):
            return [0.0] * len(lengths)
        shortest, spread = min(lengths), max(lengths) - min(lengths)
        shares = [0.5 - (length - shortest) / spread for length in lengths]
        return [
            share if outcome > 0.5 else min(0.0, share)
            for share, outcome in zip(shares, graded.outcomes_G, strict=True)
        ]


class OverlongPenalty(Component):
    """No price up to limit - margin, then linear to -1 at `limit`, -1 beyond.

    min(0, max(-1, (limit - margin - len) / margin)).
    """

    kind: Literal["overlong"] = "overlong"
    limit: Annotated[int, Field(ge=1)] = 400
    margin: Annotated[int, Field(ge=1)] = 100
    source: ClassVar[str] = "DAPO (arXiv 2503.14476, equation 13)"

    @model_validator(mode="after")
    def _margin_within_limit(self) -> OverlongPenalty:
        if self.margin > self.limit:
            raise ValueError(f"margin={self.margin} is larger than limit={self.limit}; give a margin up to the limit")
        return self

    def pay(self, graded: Graded) -> Sequence[float]:
        return [self.price(len(trajectory)) for trajectory in graded.trajectories_G]

    def price(self, length: int) -> float:
        return min(0.0, max(-1.0, (self.limit - self.margin - length) / self.margin))
