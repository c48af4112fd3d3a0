"""Best of n (Cobbe et al., arXiv 2110.14168): the trajectory with the highest verifier score, `argmax_i s_i`.

With an oracle it reaches pass@n; with a flawed verifier many draws find its flaws (arXiv 2210.10760). Degenerates to
`sample` with one draw, and to the vote if the verifier fails.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ponder.protocols import Account, Judge, Propose
from ponder.search.choose import best
from ponder.search.common import Limits
from ponder.search.waves import draw
from ponder.types import Question, SearchResult


@dataclass(frozen=True)
class BestOfN(Limits):
    """Draw up to `n_max` trajectories, score all, answer with the best (equal scores: the one drawn first)."""

    needs_judge: ClassVar[bool] = True

    n_max: int = 256

    async def __call__(
        self, question: Question, propose: Propose, judge: Judge | None, budget: Account, *, seed: int
    ) -> SearchResult:
        desk = self.desk(question, propose, judge, budget, seed)
        return desk.result(await desk.judged(await draw(desk, self.n_max)), best)
