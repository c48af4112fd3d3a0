"""One trajectory: the policy as it is served. Every other strategy is this one when it may draw only once."""

from __future__ import annotations

from dataclasses import dataclass

from ponder.search.choose import Candidate
from ponder.search.desk import Desk
from ponder.search.strategy import Thinking
from ponder.search.waves import draw


@dataclass(frozen=True)
class Sample(Thinking):
    """Draw once and answer with that. The judge is not asked."""

    async def think(self, desk: Desk) -> list[Candidate]:
        return desk.candidates(await draw(desk, 1))
