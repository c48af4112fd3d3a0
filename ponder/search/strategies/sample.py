"""One trajectory: the policy as it is served. Every other strategy is this one when it may draw only once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ponder.search.session.choose import Candidate
from ponder.search.session.session import SearchSession
from ponder.search.session.within_budget import draw
from ponder.search.strategy import Thinking


@dataclass(frozen=True)
class Sample(Thinking):
    """Draw once and answer with that. The judge is not asked."""

    leaves: ClassVar[str] = "sample draws one answer, whatever the budget"

    async def think(self, session: SearchSession) -> list[Candidate]:
        return session.candidates(await draw(session, 1))
