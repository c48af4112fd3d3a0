"""No thinking at all: its block is closed at once and the model answers. What `reasoning_effort: none` asks for.

Also what is left where a limit is too small for any thinking, as the `max_tokens: 5` that clients send to say hello.
"""

from __future__ import annotations

from dataclasses import dataclass

from ponder.search.session.choose import Candidate
from ponder.search.session.session import SearchSession
from ponder.search.strategy import Thinking


@dataclass(frozen=True)
class Direct(Thinking):
    """One answer of at most `max_tokens` tokens, those included with which the thinking is closed."""

    @property
    def least(self) -> int:
        """One token is enough: an answer that is cut is better than none."""
        return 1

    async def think(self, session: SearchSession) -> list[Candidate]:
        tokens = min(self.max_tokens, int(session.remaining))
        return session.candidates(await session.grow(None, 1, until="answer", max_tokens=tokens, name="draw"))
