"""Revision with a critic: the judge scores each attempt, and what it says of it goes into the next prompt.

The text is `Verdict.detail`. A judge that writes none (a score alone) leaves the plain request to revise, and the
scores still choose. See `revision` for everything else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from ponder.search.session.session import SearchSession
from ponder.search.strategies.revision import Link, Revision


@dataclass(frozen=True)
class Critique(Revision):
    """`Revision` that shows each critique; the attempts are chosen by summed scores unless `choose` says otherwise."""

    needs_judge: ClassVar[bool] = True

    choose: Literal["majority", "last", "weighted", "best"] = "weighted"

    async def _criticise(self, session: SearchSession, tips: Sequence[Link]) -> None:
        await self._judge(session, tips)
