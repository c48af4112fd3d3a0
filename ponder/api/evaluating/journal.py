"""What an evaluation has done, kept row by row, so that one that was stopped goes on where it was.

`samples.jsonl` has a row for each call of the policy that drew samples, `runs.jsonl` one for each run of a strategy
that was made live, `results.jsonl` one for each strategy and budget. Seeds decide all draws, so an evaluation that goes
on ends with the numbers of one that was never stopped; only seconds and work differ.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ponder.evaluation.pools.runs import ProblemRuns, Runs
from ponder.protocols import Account, Conversing, Judge, Propose, Strategy, Until
from ponder.runlog.files import append_line, mend, read_jsonl
from ponder.search.progress import below
from ponder.thinking import reading_of
from ponder.types import Question, SearchResult, Step, StopReason, Trajectory, Usage

SAMPLES, RUNS, RESULTS = "samples.jsonl", "runs.jsonl", "results.jsonl"


class Journal:
    """The files `names` in `folder`, read when it is made; without a folder nothing is kept."""

    def __init__(self, folder: Path | None, names: Sequence[str] = (SAMPLES, RUNS, RESULTS)) -> None:
        self._folder = folder
        self._rows: dict[str, dict[str, dict[str, Any]]] = {}
        for name in names:
            if folder is not None:
                mend(folder / name)
            rows = [] if folder is None else read_jsonl(folder / name)
            self._rows[name] = {row["key"]: row for row in rows}

    @property
    def resumed(self) -> bool:
        """Whether an earlier process left something here."""
        return any(self._rows.values())

    def found(self, name: str, key: str) -> dict[str, Any] | None:
        """The row `key` of a file; None if it is not there."""
        return self._rows[name].get(key)

    def rows(self, name: str) -> list[dict[str, Any]]:
        """What an earlier process left in a file."""
        return list(self._rows[name].values())

    def keep(self, name: str, key: str, **row: Any) -> None:
        """Add a row durably."""
        if self._folder is not None:
            append_line(self._folder / name, {"key": key, **row})

    def elapsed(self, cell: str) -> float:
        """Seconds that earlier processes spent on the live runs of a strategy and budget."""
        return max((row["elapsed"] for row in self._rows[RUNS].values() if row["cell"] == cell), default=0.0)


@dataclass(frozen=True)
class KeptDraws:
    """A policy whose draws are kept: what was drawn before is not drawn again."""

    propose: Propose
    journal: Journal

    async def __call__(
        self, question: Question, prefix: Step | None, n: int, *, until: Until, max_tokens: int, seed: int
    ) -> list[Step]:
        said = () if prefix is None else tuple(t for step in prefix.path for t in step.tokens)
        key = _key(question.id, said, n, until, max_tokens, seed)
        if (row := self.journal.found(SAMPLES, key)) is not None:
            return [_leaf(steps, prefix) for steps in row["samples"]]
        leaves = await self.propose(question, prefix, n, until=until, max_tokens=max_tokens, seed=seed)
        if leaves:
            samples = [_steps(leaf, prefix) for leaf in leaves]
            self.journal.keep(SAMPLES, key, id=question.id, family=question.family, until=until, samples=samples)
        return leaves

    def answer(self, trajectory: Trajectory) -> str | None:
        return self.propose.answer(trajectory)

    def graded(self, trajectory: Trajectory) -> str:
        """The response as graders read it, by the rule of the policy itself."""
        return reading_of(self.propose)(trajectory)


@dataclass(frozen=True)
class KeptTurns(KeptDraws):
    """The same of a policy that an environment answers: each of its turns is kept.

    A turn is found by all the tokens before it, so where an environment says something else the second time the turns
    after that are drawn afresh.
    """

    propose: Conversing

    def observe(self, question: Question, prefix: Step, text: str) -> Step:
        return self.propose.observe(question, prefix, text)

    def room(self, question: Question, prefix: Step | None) -> int:
        return self.propose.room(question, prefix)


@dataclass(frozen=True)
class KeptRuns:
    """A strategy whose runs are kept: a question that was thought about before is not thought about again."""

    strategy: Strategy
    journal: Journal
    cell: str
    started: float = field(default_factory=time.monotonic)

    async def __call__(
        self, question: Question, propose: Propose, judge: Judge | None, budget: Account, *, seed: int
    ) -> SearchResult:
        key = _key(self.cell, question.id, seed)
        if (row := self.journal.found(RUNS, key)) is not None:
            trajectory = Trajectory(question, _leaf(row["steps"], None)) if row["steps"] else None
            return SearchResult(question, row["answer"], trajectory, Usage(**row["usage"]), degraded=row["degraded"])
        result = await self.strategy(question, propose, judge, budget, seed=seed)
        elapsed = self.journal.elapsed(self.cell) + time.monotonic() - self.started
        steps = [] if result.trajectory is None else _steps(result.trajectory.leaf, None)
        usage = asdict(result.usage)
        row = {"cell": self.cell, "id": question.id, "family": question.family, "answer": result.answer}
        self.journal.keep(
            RUNS, key, **row, usage=usage, degraded=result.degraded, steps=steps, elapsed=round(elapsed, 3)
        )
        return result


def cell_name(strategy: str, budget: float) -> str:
    """A strategy at a budget, as the rows name it."""
    return f"{strategy} {budget:g}"


def keep_runs(journal: Journal, runs: Runs, seconds: float | None) -> None:
    """Keep the result of a strategy at a budget."""
    journal.keep(RESULTS, cell_name(runs.strategy, runs.budget), **asdict(runs), seconds=seconds)


def kept_runs(journal: Journal, strategy: str, budget: float) -> tuple[Runs, float | None] | None:
    """What `keep_runs` kept; None if there is nothing."""
    row = journal.found(RESULTS, cell_name(strategy, budget))
    if row is None:
        return None
    problems = tuple(
        ProblemRuns(p["id"], p["family"], tuple(p["outcomes"]), tuple(Usage(**usage) for usage in p["usages"]))
        for p in row["problems"]
    )
    runs = Runs(strategy, budget, problems, row["dry"], row["failures"], tuple(row["errors"]))
    return runs, row["seconds"]


def _key(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:20]


def _steps(leaf: Step, prefix: Step | None) -> list[dict[str, Any]]:
    return [
        {"text": s.text, "tokens": list(s.tokens), "stop": s.stop.value, "forced": s.forced, "version": s.version}
        for s in below(prefix, leaf)
    ]


def _leaf(steps: Sequence[dict[str, Any]], prefix: Step | None) -> Step:
    """The leaf of kept steps. Log-probabilities are not kept, and not a number."""
    leaf = prefix
    for row in steps:
        tokens = tuple(row["tokens"])
        stop, unknown = StopReason(row["stop"]), (math.nan,) * len(tokens)
        leaf = Step(tokens, unknown, row["text"], row["version"], stop, leaf, forced=row["forced"])
    assert leaf is not None  # a draw has at least one step
    return leaf
