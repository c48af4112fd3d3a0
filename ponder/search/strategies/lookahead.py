"""Lookahead search (Snell et al., arXiv 2408.03314, section 5.2): a beam whose leaves are judged by where they lead.

Each leaf is rolled `ahead` k steps further at temperature 0, the end of the roll is scored, and the roll is thrown
away. All of it is charged: a round costs up to k + 1 times a beam's. With k = 0 this is `Beam`, call for call. The
paper found it worse than beam at equal cost for most problems. A finished leaf is scored itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ponder.search.common import together
from ponder.search.session.session import SearchSession
from ponder.search.session.stepwise import Round, is_full, is_over
from ponder.search.strategies.beam import Beam
from ponder.types import Trajectory


@dataclass(frozen=True)
class Lookahead(Beam):
    """A beam that looks `ahead` k steps beyond each leaf before it chooses."""

    ahead: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        self.allow("ahead", 0, 64)

    @property
    def shape(self) -> Round:
        return Round(self.expand, self.step_tokens, self.stride, self.ahead)

    async def _scores(self, session: SearchSession, leaves: Sequence[Trajectory], step: int) -> list[float | None]:
        if not self.ahead:
            return await session.scores(leaves)
        rolled = await together([self._roll(session, leaf, step) for leaf in leaves])
        session.drop([end for end, leaf in zip(rolled, leaves, strict=True) if end is not leaf])
        return await session.scores(rolled)

    async def _roll(self, session: SearchSession, leaf: Trajectory, step: int) -> Trajectory:
        """Where the policy goes from `leaf` in `ahead` steps of at most `step` tokens, by the likeliest tokens."""
        greedy, end = session.steered("looks ahead at temperature 0").greedy(), leaf
        for _ in range(self.ahead):
            if is_over(end) or is_full(session, end):
                break
            left = min(step, session.limits.thinking - len(end))
            grown = await session.grow(end, 1, until="step", max_tokens=left, name="ahead", via=greedy)
            end = grown[0] if grown else end
        return end
