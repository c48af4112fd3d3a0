"""Runs of every strategy at every budget, and the curves that they make.

Strategies that draw whole answers from the root are replayed on samples drawn once; those that branch are run again at
every budget, and only those have seconds of their own. A strategy that is judged by `self-check` carries that name.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from ponder.api.evaluating.journal import Journal, KeptDraws, KeptRuns, cell_name, keep_runs, kept_runs
from ponder.engines.loop import run as run_async
from ponder.evaluation.curves import scaling as curves
from ponder.evaluation.curves.cheapness import cheapness
from ponder.evaluation.curves.doubling import doubling, steps
from ponder.evaluation.curves.envelope import envelope
from ponder.evaluation.pools.drawing import draw_pool, replayable
from ponder.evaluation.pools.pool import Live, Pool
from ponder.evaluation.pools.runs import Runs, replay, run_live
from ponder.evaluation.reflection import reflection
from ponder.evaluation.reflection.over_training import LIMITS
from ponder.search.planner.table import Plan
from ponder.search.registry import make
from ponder.seeds import derive_seed
from ponder.types import Curve, CurvePoint, Problem

ORDERS = 4


@dataclass(frozen=True)
class Cell:
    """One strategy at one budget. `seconds` is None where the runs were replayed."""

    runs: Runs
    seconds: float | None


@dataclass(frozen=True)
class Bench:
    """What is measured, with what. `plan` is that of the strategy auto; `plan_file` where it stands ("": shipped)."""

    problems: Sequence[Problem]
    live: Live
    budgets: Sequence[float]
    max_tokens: int
    seed: int
    plan: Plan
    plan_file: str = ""
    journal: Journal = field(default_factory=lambda: Journal(None))

    def draw(self) -> Pool:
        """Samples for everything that can be replayed."""
        most = max(self.budgets)
        seed = derive_seed("eval pool", self.seed)
        live = replace(self.live, propose=KeptDraws(self.live.propose, self.journal))
        drawing = draw_pool(self.problems, live, budget=most, max_tokens=self.max_tokens, seed=seed)
        found: Pool = run_async(drawing)
        return found

    def cell(self, name: str, budget: float, pool: Pool | None) -> Cell:
        """The runs of `name` at `budget`: kept ones, else on the pool if there is one and it serves, else live."""
        if (kept := kept_runs(self.journal, name, budget)) is not None:
            return Cell(*kept)
        cell = self._measured(name, budget, pool)
        keep_runs(self.journal, cell.runs, cell.seconds)
        return cell

    def _measured(self, name: str, budget: float, pool: Pool | None) -> Cell:
        params = {"plan": self.plan_file} if name == "auto" else {}
        strategy = make(name, max_tokens=self.max_tokens, **params)
        seed = order_seed(self.seed)
        if pool is not None and replayable(name, self.plan):
            return Cell(run_async(replay(name, strategy, pool, budget, orders=ORDERS, seed=seed)), None)
        here, started = cell_name(name, budget), time.monotonic()
        kept = KeptRuns(strategy, self.journal, here)
        runs: Runs = run_async(run_live(name, kept, self.problems, self.live, budget, seed=seed))
        return Cell(runs, self.journal.elapsed(here) + time.monotonic() - started)


def order_seed(seed: int) -> int:
    """Of the orders in which samples are replayed, and of live draws."""
    return derive_seed("eval", seed)


def drawn(cells: Sequence[Cell], pool: Pool | None, named: Callable[[str], str], seed: int) -> dict[str, Any]:
    """All curves as plain data; `named` turns a strategy into the name of its curve."""
    runs: dict[str, list[Runs]] = {}
    for cell in cells:
        runs.setdefault(cell.runs.strategy, []).append(cell.runs)
    families = dict.fromkeys(p.family for cell in cells for p in cell.runs.problems)
    best = envelope({name: some for name, some in runs.items() if name != "auto"}, seed=seed)
    return {
        "test_time": {
            key: [
                asdict(curves.thinking_curve(named(name), _of(some, family), seed=seed)) for name, some in runs.items()
            ]
            for key, family in {"all": None, **{family: family for family in families}}.items()
        },
        "coverage": None if pool is None else asdict(curves.coverage_curve(pool, seed=seed)),
        "natural": None if pool is None else asdict(curves.natural_curve(pool, seed=seed)),
        "envelope": None if best is None else asdict(best),
        "seconds": [asdict(curve) for name in runs if (curve := _seconds(name, cells, named, seed)).points],
        "doubling": {named(name): _doubling(some, seed) for name, some in runs.items()},
        "cheapness": [
            {**asdict(found), "strategy": named(name)}
            for name, some in runs.items()
            if name != "vote" and (found := cheapness(some, runs.get("vote", []), seed=seed)) is not None
        ],
    }


def _of(runs: Sequence[Runs], family: str | None) -> list[Runs]:
    return [some if family is None else some.of(family) for some in runs]


def _seconds(name: str, cells: Sequence[Cell], named: Callable[[str], str], seed: int) -> Curve:
    """Accuracy against wall-clock seconds a problem when all problems are thought about at once; live runs alone."""
    points = []
    for cell in cells:
        if cell.runs.strategy == name and cell.seconds is not None and cell.runs.problems:
            found = curves.accuracy_interval(cell.runs, seed=seed)
            if found is not None:
                x = cell.seconds / len(cell.runs.problems)
                points.append(CurvePoint(x, found.y, found.low, found.high, found.n))
    points.sort(key=lambda point: point.x)
    return Curve(named(name), "seconds a problem, all at once", curves.ACCURACY, tuple(points))


def _doubling(runs: Sequence[Runs], seed: int) -> dict[str, Any]:
    whole = doubling(runs, seed=seed)
    return {"whole": None if whole is None else asdict(whole), "steps": [asdict(one) for one in steps(runs, seed=seed)]}


def reflections(pool: Pool, max_tokens: int) -> list[dict[str, Any]]:
    """Reflection by family within the first tokens of the pool's samples, at several limits."""
    rows = [
        {
            "family": entry.problem.family,
            "question": entry.problem.question.text,
            "steps": [step.text for step in draw.trajectory.steps],
            "step_lengths": [len(step.tokens) for step in draw.trajectory.steps],
            "outcome": draw.outcome,
            "extracted": draw.answer,
        }
        for entry in pool.entries
        for draw in entry.draws
    ]
    return [
        {"tokens": max_tokens // part, "families": _shown(reflection.within(rows, max_tokens // part))}
        for part in LIMITS
    ]


def _shown(found: dict[str, reflection.Reflections]) -> dict[str, Any]:
    return {family: some.as_data() for family, some in found.items()}
