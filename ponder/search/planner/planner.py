"""The planner: look at a few samples, judge how hard the problem is, then choose strategy and size from a fitted plan.

The samples are drawn from the same budget and stay candidates, so looking costs nothing where the chosen strategy would
have drawn them anyway. Where one strategy is best whatever the samples show, the plan says so and none are looked at:
then this is exactly that strategy. Without a verifier every choice that needs one becomes the majority vote.

Compute-optimal scaling with predicted difficulty (Snell et al., arXiv 2408.03314); the plan and its bins are in
`planner_table`, the fitting in `evaluation/planning`. Left out: planning again in the middle of a search.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ponder.names import pick
from ponder.protocols import Account, Judge, Propose
from ponder.search.catalogue import CATALOGUE, build
from ponder.search.planner import table as planner_table
from ponder.search.planner.table import STOP, Difficulty, Plan, Row, difficulty
from ponder.search.progress import Progress
from ponder.search.session.choose import Candidate, majority, unforced, weighted
from ponder.search.session.session import SearchSession
from ponder.search.session.within_budget import draw
from ponder.search.strategy import Thinking
from ponder.types import PonderError, Question, SearchResult


@dataclass(frozen=True)
class Auto(Thinking):
    """Choose by the plan in the file `plan` ("": the one that ships); at most `n_max` trajectories, those seen too."""

    plan: str = ""
    n_max: int = 256

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
        """As every strategy; the rule of the chosen one decides among its candidates and the samples looked at."""
        planning = self._planning()
        return await planning(question, propose, judge, budget, seed=seed, progress=progress, seconds=seconds)

    async def think(self, session: SearchSession) -> list[Candidate]:
        return await self._planning().think(session)

    def _planning(self) -> Planning:
        return Planning(self.max_tokens, self.answer_reserve, self.n_max, table=planner_table.read(self.plan))


@dataclass(frozen=True)
class Planning(Thinking):
    """One call by the plan `table`. What was chosen is known only after looking, and the rule depends on it."""

    n_max: int = 256
    table: Plan = field(kw_only=True)
    chosen: list[Thinking] = field(default_factory=list, kw_only=True)

    async def think(self, session: SearchSession) -> list[Candidate]:
        row = self.table.row(session.question, session.remaining, self.max_tokens)
        if not row.looks or self.n_max <= self.table.probes or (row.scores and session.judge is None):
            return await self._go_on(session, row.fixed, [])
        seen, known = await self._look(session, row)
        spec = row.choose(known) if seen else row.fixed
        if spec == STOP or session.remaining < self.least or _has_forced(seen):
            return seen
        return await self._go_on(session, spec, seen)

    def rule(self, candidates: Sequence[Candidate]) -> Candidate:
        if self.chosen:
            return self.chosen[-1].rule(candidates)
        return (weighted if any(c.score is not None for c in candidates) else majority)(candidates)

    def _open_session(
        self,
        question: Question,
        propose: Propose,
        judge: Judge | None,
        budget: Account,
        seed: int,
        progress: Progress | None,
    ) -> SearchSession:
        """With the judge, which the base hands only to strategies that cannot do without."""
        return replace(super()._open_session(question, propose, judge, budget, seed, progress), judge=judge)

    async def _look(self, session: SearchSession, row: Row) -> tuple[list[Candidate], Difficulty]:
        """The first samples, scored if the plan's bins ask for it, and what they show."""
        before = session.remaining
        seen = session.candidates(await draw(session, self.table.probes))
        tokens = before - session.remaining
        seen = await _scored(session, seen) if row.scores else seen
        return seen, difficulty(seen, self.table.probes, tokens, self.max_tokens)

    async def _go_on(self, session: SearchSession, spec: str, seen: list[Candidate]) -> list[Candidate]:
        """Think by the strategy `spec` with what is left; the samples seen are candidates with those it finds."""
        strategy = self._strategy(spec, session.judge is not None, self.n_max - len(seen))
        if not strategy.needs_judge:
            session.judge = None
        elif any(c.score is None for c in seen):
            seen = await _scored(session, seen)
        self.chosen.append(strategy)
        if seen and session.remaining < self.least:  # the scores took what a further draw would need
            return seen
        found = await strategy.think(session)
        return list(unforced([*seen, *found])) if seen else found

    def _strategy(self, spec: str, judged: bool, most: int) -> Thinking:
        name, params = planner_table.parsed(spec)
        if name == "auto":
            raise PonderError(f"the plan chooses {spec!r}, which is the planner itself; fit another plan")
        if not judged and pick("strategy of a plan", name, CATALOGUE).needs_judge:
            name, params = "vote", {}
        limits = {"max_tokens": self.max_tokens, "answer_reserve": self.answer_reserve}
        made = build(CATALOGUE, name, {**limits, **params})
        changes: Any = {"n_max": min(most, getattr(made, "n_max", most))} if hasattr(made, "n_max") else {}
        return replace(made, **changes)


def _has_forced(seen: Sequence[Candidate]) -> bool:
    return any(step.forced for c in seen for step in c.trajectory.steps)


async def _scored(session: SearchSession, seen: list[Candidate]) -> list[Candidate]:
    """The same with the verifier's scores, if they can be paid."""
    new = [c.trajectory for c in seen]
    if session.owed(new) > session.remaining:
        return seen
    return [replace(c, score=s) for c, s in zip(seen, await session.scores(new), strict=True)]
