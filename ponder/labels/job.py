"""A labelling job over many problems that can be stopped at any moment and continued.

Each problem is labelled within its own budget and from seeds of its own, so its labels do not depend on which others
run beside it or were finished before an interruption. A finished problem is one line of a journal; on restart the
problems in the journal are skipped. Problems run together, so that their rollouts form one batch in the engine.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ponder.labels.consensus import consensus
from ponder.labels.labelled import Labelled
from ponder.labels.methods import Method, Settings
from ponder.labels.rollouts import Rollouts, Source
from ponder.labels.rows import LabelRow, Origin, as_data, from_data
from ponder.protocols import Judge
from ponder.runlog.files import append_line, mend, read_jsonl
from ponder.search.session.budget import Budget
from ponder.search.session.verifier_cost import VerifierCost
from ponder.types import PonderError, Problem

AT_ONCE = 128  # problems under way at the same time; each has several rollouts waiting


@dataclass(frozen=True, slots=True)
class Finished:
    """One problem's rows and what they cost: rollouts drawn (responses included) and token-equivalents."""

    problem: str
    rows: tuple[LabelRow, ...]
    drawn: int
    spent: float
    disagreed: int = 0
    undecided: int = 0


@dataclass(frozen=True)
class Job:
    """How problems are labelled. `budget` is in token-equivalents a problem (None: no limit).

    `source` draws the responses and `prover` the rollouts after their steps; usually they are the same. With a
    `judge`, only the trajectories on whose first error it agrees are kept.
    """

    method: Method
    settings: Settings
    responses: int
    source: Source
    prover: Source
    origin: Origin
    budget: float | None = None
    judge: Judge | None = None

    async def one(self, problem: Problem) -> Finished:
        """Sample, label, filter. No rows if nothing could be sampled or the method found nothing to label."""
        budget = None if self.budget is None else Budget(self.budget)
        policy = Rollouts(problem, self.source, budget)
        prover = policy if self.prover is self.source else Rollouts(problem, self.prover, budget)
        group = await policy.group(self.responses)
        found = await self.method.label(group, prover, self.settings) if group else []
        disagreed, undecided, judging = 0, 0, 0.0
        if self.judge is not None:
            found, disagreed, undecided, judging = await self._agreed(found, self.judge, budget)
        rows = tuple(map(self.origin.row, found))
        bills = [policy] if prover is policy else [policy, prover]
        drawn, spent = sum(each.drawn for each in bills), sum(each.spent for each in bills) + judging
        return Finished(problem.id, rows, drawn, spent, disagreed, undecided)

    async def _agreed(
        self, found: list[Labelled], judge: Judge, budget: Budget | None
    ) -> tuple[list[Labelled], int, int, float]:
        """What the judge agrees on, and what judging cost. What the budget does not pay for stays undecided."""
        decided = [item.trajectory for item in found if item.first_error is not None]
        cost = VerifierCost(judge, decided[0].question).cost(decided) if decided else 0.0
        if budget is not None and cost > budget.remaining:
            return [], 0, len(found), 0.0
        if budget is not None:
            budget.charge_verifier(cost)
        agreed = await consensus(found, judge)
        return list(agreed.kept), agreed.disagreed, agreed.undecided, cost


async def label_all(
    problems: Sequence[Problem],
    job: Job,
    journal: Path,
    tell: Callable[[int, int], None],
    *,
    at_once: int = AT_ONCE,
) -> list[Finished]:
    """Label what the journal does not hold yet; returns all problems in order. `tell` hears (done, total)."""
    known = read_journal(journal)
    mend(journal)
    gate = asyncio.Semaphore(at_once)
    done = sum(problem.id in known for problem in problems)
    tell(done, len(problems))

    async def one(problem: Problem) -> None:
        async with gate:
            known[problem.id] = finished = await job.one(problem)
        append_line(journal, _line(finished))
        tell(sum(p.id in known for p in problems), len(problems))

    try:
        async with asyncio.TaskGroup() as group:
            for problem in problems:
                if problem.id not in known:
                    group.create_task(one(problem))
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from None
    return [known[problem.id] for problem in problems]


def read_journal(journal: Path) -> dict[str, Finished]:
    """The finished problems by id."""
    found = {}
    for number, data in enumerate(read_jsonl(journal)):
        where = f"{journal}, row {number}"
        try:
            rows = tuple(from_data(row, where) for row in data["rows"])
            counts = (data["drawn"], data["spent"], data["disagreed"], data["undecided"])
            found[data["problem"]] = Finished(data["problem"], rows, *counts)
        except (KeyError, TypeError) as error:
            raise PonderError(f"{where}: not a line of a labelling job ({error}); remove it to label again") from error
    return found


def _line(finished: Finished) -> dict[str, Any]:
    return {
        "problem": finished.problem,
        "rows": [as_data(row) for row in finished.rows],
        "drawn": finished.drawn,
        "spent": finished.spent,
        "disagreed": finished.disagreed,
        "undecided": finished.undecided,
    }
