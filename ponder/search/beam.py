"""Beam search over steps (Snell et al., arXiv 2408.03314, section 5.2; search-and-learn's `beam_search`).

n beams grow by one step each; the verifier scores every prefix; the best n/m stay, and each is grown m times in the
next round as m new samples. Finished beams leave and join the candidates; the search ends when n are finished.
What is left of the budget pays for further searches from the root, and at last for plain samples.

Degenerates to plain sampling with one beam, with a constant verifier (in distribution), or when the verifier fails.
Every scoring is charged in full, so many short steps make a beam dear: n rounds of judging for one trajectory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from ponder.search.choose import Candidate, best, filled, weighted
from ponder.search.desk import Desk
from ponder.search.rounds import Branch, finish, is_full, is_over, kept, open_leaves, plan
from ponder.search.strategy import Thinking
from ponder.search.waves import draw, fitting
from ponder.types import Step, Trajectory


@dataclass(frozen=True)
class Beam(Thinking):
    """`width` n beams, of which n/m stay (`expand` m); `choose` picks among the finished ones, at most `n_max`.

    A step is at most `step_tokens` long; a longer one is judged and continued as if it ended there.
    """

    needs_judge: ClassVar[bool] = True

    n_max: int = 256
    width: int = 16
    expand: int = 4
    step_tokens: int = 64
    choose: Literal["weighted", "best"] = "weighted"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.among("choose", "weighted", "best")

    async def think(self, desk: Desk) -> list[Candidate]:
        if self.width == 1:  # nothing to choose at any step: one plain sample
            return desk.candidates(await draw(desk, 1))
        found: list[Candidate] = []
        while len(found) < self.n_max and (more := await self._search(desk, self.n_max - len(found))):
            found += more
        if not found:
            found = await desk.judged(await draw(desk, self.n_max))
        elif len(found) < self.n_max and fitting(desk, ()):
            extra = await draw(desk, self.n_max - len(found))
            found += desk.candidates(extra, await desk.scores(extra))
        return found

    def rule(self, candidates: Sequence[Candidate]) -> Candidate:
        return weighted(candidates) if self.choose == "weighted" else best(candidates)

    async def _search(self, desk: Desk, most: int) -> list[Candidate]:
        """The finished beams of one search from the root; none if the budget is too small for a choice."""
        width = min(self.width, most)
        live: list[Branch] = [None] * self._roots(width)
        found: list[Candidate] = []
        while live and len(found) < width:
            n = plan(desk, live, width - len(found), self.expand, self.step_tokens) if desk.judge else 0
            families = await open_leaves(desk, live[: kept(n, self.expand)], n, self.step_tokens) if n else []
            if not any(families):
                return found + await finish(desk, [branch for branch in live if branch is not None])
            alive, over = await self._judge(desk, families, kept(n, self.expand))
            full = [leaf for leaf in alive if is_full(desk, leaf)]
            found += over + (await finish(desk, full) if full else [])
            live = [leaf for leaf in alive if not is_full(desk, leaf)]
        return found

    async def _judge(
        self, desk: Desk, families: Sequence[Sequence[Trajectory]], most: int
    ) -> tuple[list[Trajectory], list[Candidate]]:
        """Score a round's leaves in one call: those that go on, best first, and those that are over."""
        leaves = [leaf for family in families for leaf in family]
        scores = await desk.scores(leaves)
        over = [i for i, leaf in enumerate(leaves) if is_over(leaf)]
        value = {leaf.leaf: score for leaf, score in zip(leaves, filled(scores), strict=True)}
        alive = self._survivors(families, value)
        return alive[:most], desk.candidates([leaves[i] for i in over], [scores[i] for i in over])

    def _roots(self, width: int) -> int:
        """From how many copies of the root the search starts."""
        return min(width, 1)

    def _survivors(self, families: Sequence[Sequence[Trajectory]], value: Mapping[Step, float]) -> list[Trajectory]:
        """The leaves that may go on, best first. `families` are the children of each parent."""
        alive = [leaf for family in families for leaf in family if not is_over(leaf)]
        return sorted(alive, key=lambda leaf: -value[leaf.leaf])
