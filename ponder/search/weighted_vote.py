"""Vote weighted by a verifier (Li et al., arXiv 2206.02336): `argmax_a sum_i s_i 1(a_i = a)`.

Equals the majority vote when all scores are equal or the verifier fails, and `sample` with one draw.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ponder.protocols import Account, Judge, Propose
from ponder.search.choose import weighted
from ponder.search.common import Limits
from ponder.search.waves import draw
from ponder.types import Question, SearchResult


@dataclass(frozen=True)
class WeightedVote(Limits):
    """Draw up to `n_max` trajectories, score all, answer with the answer of the largest summed score."""

    needs_judge: ClassVar[bool] = True

    n_max: int = 256

    async def __call__(
        self, question: Question, propose: Propose, judge: Judge | None, budget: Account, *, seed: int
    ) -> SearchResult:
        desk = self.desk(question, propose, judge, budget, seed)
        return desk.result(await desk.judged(await draw(desk, self.n_max)), weighted)
