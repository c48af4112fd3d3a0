"""Majority vote over canonical answers: self-consistency (Wang et al., arXiv 2203.11171), `argmax_a sum_i 1(a_i = a)`.

Degenerates to `sample` with one draw, and with two that disagree (the earlier one wins). It fails where the most
frequent answer is wrong: more draws then only make it surer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ponder.search.session.choose import Candidate, decided
from ponder.search.session.session import SearchSession
from ponder.search.session.within_budget import draw
from ponder.search.strategy import Thinking
from ponder.types import PonderError, Trajectory


@dataclass(frozen=True)
class Vote(Thinking):
    """Draw up to `n_max` trajectories and answer with the most frequent answer. The judge is not asked.

    `stop_every` k > 0 draws k at a time and stops as soon as the draws that `n_max` and the budget still allow cannot
    change the answer (a draw costs at least one token). 0 draws as much as it may at once.
    """

    n_max: int = 256
    stop_every: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.stop_every < 0:
            raise PonderError(f"stop_every={self.stop_every}: give a number of draws, or 0 to never stop early")

    async def think(self, session: SearchSession) -> list[Candidate]:
        def settled(drawn: Sequence[Trajectory]) -> bool:
            return decided(session.candidates(drawn), min(self.n_max - len(drawn), int(session.remaining)))

        enough = settled if self.stop_every else None
        return session.candidates(await draw(session, self.n_max, every=self.stop_every, enough=enough))
