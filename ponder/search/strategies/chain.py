"""One long chain of thought that uses the whole budget: budget forcing without an end (`forcing`).

Each time the policy would stop thinking it is made to think on, until only an answer fits into the budget or into the
context window. It is the purely sequential end of the scale whose parallel end is the vote. Its length follows the
budget, so `max_tokens`, the longest trajectory of other strategies, is not asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ponder.search.session.choose import Candidate
from ponder.search.session.session import SearchSession
from ponder.search.strategies.forcing import Forcing


@dataclass(frozen=True)
class Chain(Forcing):
    """`Forcing` with as many waits as the budget holds, and a trajectory as long as the budget."""

    leaves: ClassVar[str] = "chain draws one answer, which has to fit into the model's context window"

    waits: int = 1_000_000

    async def think(self, session: SearchSession) -> list[Candidate]:
        room = session.steered("fills the context window").room(session.question, None)
        return await self.chain(session, max(self.least, min(room, int(session.remaining))))
