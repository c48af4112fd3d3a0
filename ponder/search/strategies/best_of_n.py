"""Best of n (Cobbe et al., arXiv 2110.14168): the trajectory with the highest verifier score, `argmax_i s_i`.

With an oracle it reaches pass@n; with a flawed verifier many draws find its flaws (arXiv 2210.10760). Degenerates to
`sample` with one draw, and to the vote if the verifier fails.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from ponder.search.session.choose import Candidate, best
from ponder.search.session.session import SearchSession
from ponder.search.session.within_budget import draw, draw_until_sure
from ponder.search.strategy import Thinking


@dataclass(frozen=True)
class BestOfN(Thinking):
    """Draw up to `n_max` trajectories, score all, answer with the best (equal scores: the one drawn first).

    `stop_every` k > 0 draws and scores k at a time and stops when an answer scores `sure` or more, which spends less
    than the budget. 0 draws as much as it may and scores all in one call.
    """

    needs_judge: ClassVar[bool] = True

    n_max: int = 256
    stop_every: int = 0
    sure: float = 0.95

    def __post_init__(self) -> None:
        super().__post_init__()
        self.allow("stop_every", 0, float("inf"))
        self.allow("sure", 0, 1)

    async def think(self, session: SearchSession) -> list[Candidate]:
        if self.stop_every:
            return await draw_until_sure(session, self.n_max, self.stop_every, self.sure)
        return await session.judged(await draw(session, self.n_max))

    def rule(self, candidates: Sequence[Candidate]) -> Candidate:
        return best(candidates)
