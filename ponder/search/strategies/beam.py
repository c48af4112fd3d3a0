"""Beam search over steps (Snell et al., arXiv 2408.03314, section 5.2; search-and-learn's `beam_search`).

n beams grow by one step each; the verifier scores every prefix; the best n/m stay, and each is grown m times in the
next round as m new samples. Finished beams leave and join the candidates; the search ends when n are finished.
What is left of the budget pays for further searches from the root, and at last for plain samples. A budget that could
not pay a full round at its worst is first tried by one plain sample, a scout: it is a candidate, and from its steps and
length the search learns what to expect.

Degenerates to plain sampling with one beam, with a constant verifier (in distribution), or when the verifier fails.
A verifier that rereads its prefixes makes many short steps dear: n rounds of judging for one trajectory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from ponder.search.session.choose import Candidate, best, filled, majority, weighted
from ponder.search.session.remainder import with_remainder
from ponder.search.session.session import SearchSession
from ponder.search.session.stepwise import Branch, Round, finish, is_full, is_over, kept, open_leaves, plan
from ponder.search.session.within_budget import draw
from ponder.search.strategy import Thinking
from ponder.types import Step, Trajectory


@dataclass(frozen=True)
class Beam(Thinking):
    """`width` n beams, of which n/m stay (`expand` m); `choose` picks among the finished ones, at most `n_max`.

    A step is at most `step_tokens` long; a longer one is judged and continued as if it ended there. `stride` steps are
    grown between two judgements. `planning` "worst" never assumes that an answer is shorter than it may be.
    """

    needs_judge: ClassVar[bool] = True

    n_max: int = 256
    width: int = 16
    expand: int = 4
    step_tokens: int = 64
    stride: int = 1
    choose: Literal["weighted", "best", "majority"] = "weighted"
    planning: Literal["pace", "worst"] = "pace"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.among("choose", "weighted", "best", "majority")
        self.among("planning", "pace", "worst")

    @property
    def learns(self) -> bool:
        return self.planning == "pace"

    @property
    def shape(self) -> Round:
        return Round(self.expand, self.step_tokens, self.stride)

    async def think(self, session: SearchSession) -> list[Candidate]:
        if self.width == 1:  # nothing to choose at any step: one plain sample
            return session.candidates(await draw(session, 1))
        found = await self._scout(session)
        while len(found) < self.n_max and (more := await self._search(session, self.n_max - len(found))):
            found += more
        if not found:
            return await session.judged(await draw(session, self.n_max))
        return await with_remainder(session, found, self.n_max)

    def rule(self, candidates: Sequence[Candidate]) -> Candidate:
        return {"weighted": weighted, "best": best, "majority": majority}[self.choose](candidates)

    async def _scout(self, session: SearchSession) -> list[Candidate]:
        """One plain sample if the budget is too small to plan by worst cases; judged if a search can follow it."""
        width = min(self.width, self.n_max)
        if not self.learns or plan(session, [None], width, self.shape, learn=False).leaves == width:
            return []
        scouts = await draw(session, 1)
        follows = plan(session, [None], 2, self.shape, learn=True, held=scouts).leaves
        return session.candidates(scouts, await session.scores(scouts) if follows and self.n_max > 1 else None)

    async def _search(self, session: SearchSession, most: int) -> list[Candidate]:
        """The finished beams of one search from the root; none if the budget is too small for a choice."""
        width = min(self.width, most)
        live: list[Branch] = [None] * self._roots(width)
        found: list[Candidate] = []
        while live and len(found) < width:
            now = plan(session, live, width - len(found), self.shape, learn=self.learns)
            n = now.leaves if session.judge else 0
            stay, leave = live[: kept(n, self.expand)], live[kept(n, self.expand) :]
            families = await open_leaves(session, stay, now) if n else []
            if not any(families):
                return found + await finish(session, [branch for branch in live if branch is not None])
            session.drop([branch for branch in leave if branch is not None])
            alive, over = await self._judge(session, families, kept(n, self.expand), now.step_tokens)
            full = [leaf for leaf in alive if is_full(session, leaf)]
            found += over + (await finish(session, full) if full else [])
            live = [leaf for leaf in alive if not is_full(session, leaf)]
        return found

    async def _judge(
        self, session: SearchSession, families: Sequence[Sequence[Trajectory]], most: int, step: int
    ) -> tuple[list[Trajectory], list[Candidate]]:
        """Score a round's leaves in one call: those that go on, best first, and those that are over.

        `step` is the most tokens of a step that the round was planned with.
        """
        leaves = [leaf for family in families for leaf in family]
        scores = await self._scores(session, leaves, step)
        over = [i for i, leaf in enumerate(leaves) if is_over(leaf)]
        value = {leaf.leaf: score for leaf, score in zip(leaves, filled(scores), strict=True)}
        alive = self._survivors(families, value)
        stay = {leaf.leaf for leaf in alive[:most]}
        session.drop([leaf for leaf in leaves if leaf.leaf not in stay and not is_over(leaf)])
        return alive[:most], session.candidates([leaves[i] for i in over], [scores[i] for i in over])

    async def _scores(self, session: SearchSession, leaves: Sequence[Trajectory], step: int) -> list[float | None]:
        """What the leaves are chosen by."""
        return await session.scores(leaves)

    def _roots(self, width: int) -> int:
        """From how many copies of the root the search starts."""
        return min(width, 1)

    def _survivors(self, families: Sequence[Sequence[Trajectory]], value: Mapping[Step, float]) -> list[Trajectory]:
        """The leaves that may go on, best first. `families` are the children of each parent."""
        alive = [leaf for family in families for leaf in family if not is_over(leaf)]
        return sorted(alive, key=lambda leaf: -value[leaf.leaf])
