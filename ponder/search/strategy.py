"""What every strategy is: limits, a way to think, a rule that chooses among what was found, and how it is called.

A strategy writes `think` as sequential code for one problem and returns its finished candidates. The call around it
checks that the search can be made, keeps the time, and turns the candidates into a result. A deadline ends the search
with the best that was finished by then; calls that it cancelled are in `Usage.unsettled`, not in `spent`.
"""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from ponder.protocols import Account, Judge, Propose
from ponder.search.limits import LEAST_THINKING, Limits
from ponder.search.progress import Progress
from ponder.search.session.choose import Candidate, majority
from ponder.search.session.session import SearchSession
from ponder.types import PonderError, Question, SearchResult


@dataclass(frozen=True)
class Thinking(Limits, ABC):
    """The base of all strategies: a `Strategy` of the protocols that can be watched and stopped.

    `leaves` says why it may end with a part of its budget unspent.
    """

    needs_judge: ClassVar[bool] = False
    leaves: ClassVar[str] = "it is less than one more answer of the usual length may cost"

    async def __call__(
        self,
        question: Question,
        propose: Propose,
        judge: Judge | None,
        budget: Account,
        *,
        seed: int,
        progress: Progress | None = None,
        seconds: float | None = None,
    ) -> SearchResult:
        """Think within `budget` and, if given, `seconds` of wall-clock time. `progress` shows the search at work."""
        session = self._open_session(question, propose, judge, budget, seed, progress)
        if progress is not None:
            progress.attach(lambda: session.result(session.finished, self.rule))
        started = time.monotonic()
        try:
            async with asyncio.timeout(seconds) as clock:
                found = await self.think(session)
        except TimeoutError:
            if not clock.expired():
                raise  # somebody else's deadline, an engine's for example: an error and not an end
            session.note(f"stopped after {seconds:g} s with the best answer so far")
            found = session.finished
        result = session.result(found, self.rule).with_seconds(time.monotonic() - started)
        if progress is not None:
            progress.attach(lambda: result)
            progress.ended(result.trajectory)
        return result

    @abstractmethod
    async def think(self, session: SearchSession) -> list[Candidate]:
        """All finished candidates, in an order that the seed fixes."""

    def rule(self, candidates: Sequence[Candidate]) -> Candidate:
        """The choice among candidates, of which there is at least one."""
        return majority(candidates)

    def _open_session(
        self,
        question: Question,
        propose: Propose,
        judge: Judge | None,
        budget: Account,
        seed: int,
        progress: Progress | None,
    ) -> SearchSession:
        """Check that the search can be made at all, and begin its account."""
        name = type(self).__name__
        if self.needs_judge and judge is None:
            raise PonderError(f"{name} needs a verifier to choose with and got none; name one, or use vote")
        if budget.remaining < self.least:
            raise PonderError(
                f"{name}: a budget of {budget.remaining:g} token-equivalents is smaller than one answer; "
                f"the least is {self.least} ({LEAST_THINKING} to think, {self.answer_reserve} to answer): "
                "raise the budget or lower answer_reserve"
            )
        return SearchSession(name, self, question, propose, judge if self.needs_judge else None, budget, seed, progress)
