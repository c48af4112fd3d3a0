"""Sequential revision (Snell et al., arXiv 2408.03314, section 6): answer, then answer again in view of the attempts.

Each attempt is a whole trajectory; the next one's prompt shows all attempts of its chain as earlier turns and asks to
check them, with what a critic says of the last one if there is a critic (`Verdict.detail` of the judge; a judge that
writes none leaves the plain request). The tokens of that request are charged: nobody has computed them before. The
choice is made over all attempts and not the last alone, since a policy also revises what was right (38 % of right
answers in the paper).

A chain grows until no further attempt surely fits into the budget, `n_max` or the context window; when that window is
full a new chain begins. What is left then buys plain samples of the usual length (`session.remainder`), but where the
last attempt is the answer. With `n_max` 1 this is `sample`. A policy that never saw an attempt in its prompt, like the
embedded one, answers worse in its light than without it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ponder.protocols import Steered
from ponder.search.common import together
from ponder.search.session.budget import affordable
from ponder.search.session.choose import Candidate, Rule, best, last, majority, unforced, weighted
from ponder.search.session.remainder import with_remainder
from ponder.search.session.session import SearchSession
from ponder.search.strategy import Thinking
from ponder.types import Trajectory, Verdict

RULES: dict[str, Rule] = {"majority": majority, "last": last, "weighted": weighted, "best": best}


@dataclass
class Link:
    """One attempt: what asked for it (None: the plain policy), and its verdict once it has one."""

    attempt: Trajectory
    asked: Steered | None = None
    verdict: Verdict | None = None


@dataclass(frozen=True)
class Revision(Thinking):
    """One chain of at most `length` attempts at a time, at most `n_max` in all. Without a judge, by votes.

    `choose` "last" takes the last attempt that has an answer; "weighted" and "best" need the judge of `Critique`.
    """

    n_max: int = 256
    length: int = 256
    choose: Literal["majority", "last", "weighted", "best"] = "majority"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.among("choose", "majority", "last", *(("weighted", "best") if self.needs_judge else ()))

    def rule(self, candidates: Sequence[Candidate]) -> Candidate:
        return RULES[self.choose](unforced(candidates))

    async def think(self, session: SearchSession) -> list[Candidate]:
        found: list[Link] = []
        while len(found) < self.n_max and (more := await self._chains(session, found)):
            found += more
        if len(found) > 1:
            await self._judge(session, found)
        scores = [link.verdict.score if link.verdict else None for link in found]
        candidates = session.candidates([link.attempt for link in found], scores)
        return candidates if self.choose == "last" else await with_remainder(session, candidates, self.n_max)

    def abreast(self, fitting: int, most: int) -> int:
        """How many chains to begin at once when `fitting` attempts surely fit and `most` are wanted."""
        return min(1, fitting, most)

    async def _chains(self, session: SearchSession, before: Sequence[Link]) -> list[Link]:
        """Chains side by side, up to `length` attempts each; none if not one more attempt fits."""
        attempt, most = self.max_tokens + session.cost(self.max_tokens), self.n_max - len(before)
        width = self.abreast(affordable(session.remaining - self._owed(session, before), attempt), most)
        if not width and before:
            return []
        tokens = self.max_tokens if width else min(self.max_tokens, int(session.remaining))
        came = await session.grow(
            None, max(1, width), until="end", max_tokens=tokens - self.answer_reserve, name="draw"
        )
        tips = [Link(attempt) for attempt in await session.close(came)]
        found = list(tips)
        for _ in range(self.length - 1):
            tips = await self._revised(session, tips, most - len(found), [*before, *found])
            found += tips
        return found

    async def _revised(
        self, session: SearchSession, tips: Sequence[Link], most: int, so_far: Sequence[Link]
    ) -> list[Link]:
        """A further attempt in each chain, as far as the budget, `most` and the context window allow."""
        link, owed = self.max_tokens + session.cost(self.max_tokens), self._owed(session, so_far)
        count = min(len(tips), most, affordable(session.remaining - owed, link))
        if not count:
            return []
        policy = session.steered("shows the policy its own attempts")
        await self._criticise(session, tips[:count])
        asked, reading = [], []
        left = session.remaining - self._owed(session, so_far) - count * link
        for tip in tips[:count]:
            view, tokens = (tip.asked or policy).revising(tip.attempt, tip.verdict.detail if tip.verdict else "")
            if view.room(session.question, None) >= self.max_tokens and tokens <= left:
                asked.append(view)
                reading.append(tokens)
                left -= tokens
        drawn = await together([self._attempt(session, v, r) for v, r in zip(asked, reading, strict=True)])
        return [Link(came[0], view) for came, view in zip(drawn, asked, strict=True) if came]

    async def _attempt(self, session: SearchSession, view: Steered, reading: int) -> list[Trajectory]:
        tokens = self.max_tokens - self.answer_reserve
        came = await session.grow(None, 1, until="end", max_tokens=tokens, name="revise", via=view, reading=reading)
        return await session.close(came, [view] * len(came))

    async def _criticise(self, session: SearchSession, tips: Sequence[Link]) -> None:
        """What is said of attempts before they are revised; nothing here."""

    async def _judge(self, session: SearchSession, links: Sequence[Link]) -> None:
        """Verdicts for those that have none."""
        new = [link for link in links if link.verdict is None]
        if session.judge is not None:
            for link, verdict in zip(new, await session.verdicts([x.attempt for x in new]), strict=True):
                link.verdict = verdict

    def _owed(self, session: SearchSession, links: Sequence[Link]) -> float:
        """What judging the attempts that have no verdict will cost."""
        return session.owed([link.attempt for link in links if link.verdict is None])
