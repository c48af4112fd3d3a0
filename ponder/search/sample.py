"""One trajectory: the policy as it is served. Every other strategy is this one when it may draw only once."""

from __future__ import annotations

from dataclasses import dataclass

from ponder.protocols import Account, Judge, Propose
from ponder.search.choose import majority
from ponder.search.common import Limits
from ponder.search.waves import draw
from ponder.types import Question, SearchResult


@dataclass(frozen=True)
class Sample(Limits):
    """Draw once and answer with that. The judge is not asked."""

    async def __call__(
        self, question: Question, propose: Propose, judge: Judge | None, budget: Account, *, seed: int
    ) -> SearchResult:
        desk = self.desk(question, propose, judge, budget, seed)
        return desk.result(desk.candidates(await draw(desk, 1)), majority)
