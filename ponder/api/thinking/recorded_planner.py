"""What the planner of a search chose, and why: the same planner, with its looking and its choice written down.

Writing it down changes no draw and spends nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field

from ponder.reports.tree.plan import Chosen, Feature, Why
from ponder.runlog import files
from ponder.search.planner import table as planner_table
from ponder.search.planner.planner import Auto, Planning
from ponder.search.planner.table import STOP, Difficulty, Row
from ponder.search.registry import needs_judge
from ponder.search.session.choose import Candidate
from ponder.search.session.session import SearchSession
from ponder.search.strategy import Thinking


@dataclass(frozen=True)
class RecordedPlanning(Planning):
    """One call of the planner; `told` holds what is known of its choice, which may grow while it thinks."""

    told: list[Chosen] = field(default_factory=list, kw_only=True)

    async def think(self, session: SearchSession) -> list[Candidate]:
        row = self.table.row(session.question, session.remaining, self.max_tokens)
        scale = self.max_tokens / self.table.max_tokens
        self.told.append(Chosen(row=row.budget * scale, choice=row.fixed, why=self._why(row, session)))
        found = await super().think(session)
        if not self.chosen:  # it ends with what it has seen
            self._tell(choice=STOP, strategy=None)
        return found

    def _why(self, row: Row, session: SearchSession) -> Why:
        if not row.looks:
            return "one for all"
        if row.scores and session.judge is None:
            return "no verifier"
        return "no room to look" if self.n_max <= self.table.probes else "looking"

    async def _look(self, session: SearchSession, row: Row) -> tuple[list[Candidate], Difficulty]:
        before = session.remaining
        seen, known = await super()._look(session, row)
        at = row.bin(known) if seen else None
        self._tell(
            looked=self.table.probes,
            ended=len(seen),
            spent=before - session.remaining,
            why="not known" if at is None else "bin",
            choice=row.choose(known) if seen else row.fixed,
            features=() if at is None else tuple(_features(row, known)),
            bin=at,
            bins=len(row.choices),
        )
        return seen, known

    def _strategy(self, spec: str, judged: bool, most: int) -> Thinking:
        made = super()._strategy(spec, judged, most)
        name, _ = planner_table.parsed(spec)
        used = name if judged or not needs_judge(name) else "vote"
        self._tell(choice=spec, strategy=used, settings=files.plain(asdict(made)))
        return made

    def _tell(self, **more: object) -> None:
        self.told[-1] = self.told[-1].model_copy(update=more)


def check(strategy: Thinking) -> None:
    """Refuse a plan that cannot be read, before a model is loaded."""
    if isinstance(strategy, Auto):
        planner_table.read(strategy.plan)


def recorded(strategy: Thinking) -> Thinking:
    """The strategy itself, or for the planner one call of it that can be asked what it chose."""
    if not isinstance(strategy, Auto):
        return strategy
    table = planner_table.read(strategy.plan)
    return RecordedPlanning(strategy.max_tokens, strategy.answer_reserve, strategy.n_max, table=table)


def choice(strategy: Thinking) -> Chosen | None:
    """What the planner chose so far; None for every other strategy, and before it has begun."""
    return strategy.told[-1] if isinstance(strategy, RecordedPlanning) and strategy.told else None


def _features(row: Row, known: Difficulty) -> Iterator[Feature]:
    """Each feature that the row cuts, with the edges of its bin; a value on an edge belongs to the bin above."""
    for name, edges in row.cuts:
        value = float(getattr(known, name))
        below, above = [e for e in edges if e <= value], [e for e in edges if e > value]
        yield Feature(name=name, value=value, low=max(below, default=None), high=min(above, default=None))
