"""Budget forcing (s1, Muennighoff et al., arXiv 2501.19393, section 3): one chain of thought of a forced length.

At least: each time the policy closes its thinking, up to `waits` times, the close is taken back and `wait` put in its
place, so it thinks on. At most: thinking that reaches `max_tokens` less the reserve is closed by force, as everywhere.
The marks that were taken back are paid for and discarded; the words put in are paid for and kept.

With `waits` 0 this is `sample`, token for token. The paper saw gains flatten after about six waits, and loops. A policy
that was never taught to go on after "Wait" gains little from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ponder.protocols import Until
from ponder.search.session.choose import Candidate
from ponder.search.session.session import SearchSession
from ponder.search.session.stepwise import length
from ponder.search.strategy import Thinking
from ponder.types import PonderError, StopReason, Trajectory


@dataclass(frozen=True)
class Forcing(Thinking):
    """One trajectory whose end of thinking is put off up to `waits` times by the words `wait`."""

    leaves: ClassVar[str] = "forcing draws one answer and makes it think on a fixed number of times"

    waits: int = 1
    wait: str = "Wait"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.allow("waits", 0, 1_000_000)
        if not self.wait:
            raise PonderError("wait='': something must stand in place of the end of thinking; give a word")

    async def think(self, session: SearchSession) -> list[Candidate]:
        return await self.chain(session, min(self.max_tokens, int(session.remaining)))

    async def chain(self, session: SearchSession, most: int) -> list[Candidate]:
        """One trajectory of at most `most` tokens, its answer included."""
        limit = most - self.answer_reserve
        grown = await self._think_on(session, None, limit, "think" if self.waits else "end", "draw")
        for turn in range(self.waits):
            if not grown or not (said := self._taken_back(session, grown[0], limit)):
                break
            until: Until = "think" if turn + 1 < self.waits else "end"
            grown = await self._think_on(session, said, limit, until, "wait", len(said.leaf.tokens)) or [said]
        if grown and _closed(grown[0]) and self._left(session, grown[0], limit) > 0:
            grown = await self._think_on(session, grown[0], limit, "end", "end") or grown
        return session.candidates(await session.close(grown))

    async def _think_on(
        self, session: SearchSession, prefix: Trajectory | None, limit: int, until: Until, name: str, words: int = 0
    ) -> list[Trajectory]:
        left = self._left(session, prefix, limit, words)
        return await session.grow(prefix, 1, until=until, max_tokens=left, name=name, reading=words)

    def _left(self, session: SearchSession, prefix: Trajectory | None, limit: int, words: int = 0) -> int:
        """Tokens that may be drawn after `prefix`, `words` of which are not paid yet; marks have cost some too."""
        return min(limit - length(prefix), int(session.remaining) - words - self.answer_reserve)

    def _taken_back(self, session: SearchSession, closed: Trajectory, limit: int) -> Trajectory | None:
        """`closed` with `wait` in place of its close mark; None if it was not closed or no room is left to think."""
        before = closed.leaf.parent
        words = session.steered("puts off the end of thinking").say(before, self.wait)
        kept = None if before is None else Trajectory(closed.question, before)
        if not _closed(closed) or self._left(session, kept, limit) <= len(words.tokens):
            return None
        session.drop([closed])
        return session.say(kept, self.wait)


def _closed(trajectory: Trajectory) -> bool:
    """Whether the policy itself has just closed its thinking (`until="think"` stops there)."""
    leaf = trajectory.leaf
    return leaf.stop is StopReason.STEP and not leaf.forced and bool(leaf.tokens)
