"""`ponder eval`: one model, several strategies and budgets, one set of problems -> metrics.json and curves.html.

With a local model the samples are drawn once and strategies that only draw are replayed on them, which is several times
cheaper and pairs them; strategies that branch are run at every budget. `live` runs everything, so that every seconds is
measured. Problems that could not be graded are left out and counted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ponder.api.evaluating import cells as drawing
from ponder.api.evaluating.cells import Bench, Cell
from ponder.api.evaluating.metrics import metrics_of
from ponder.api.evaluating.request import Request, checks_itself, refuse_impossible
from ponder.api.policies import Source, load_source
from ponder.api.problems import draw_problems, ground_truth, load_families
from ponder.api.verifiers.loading import load_verifier
from ponder.engines.loop import run as run_async
from ponder.evaluation import planning, self_check
from ponder.evaluation.pools.drawing import replayable
from ponder.evaluation.pools.pool import Live, Pool
from ponder.protocols import Judge
from ponder.reports.thinking import page as thinking
from ponder.runlog.files import write_json
from ponder.search.planner import table as planner_table
from ponder.types import PonderError, Problem

PROBES = 4  # samples that a fitted plan looks at


def evaluate(request: Request, tell: Callable[[int, int, str], None]) -> dict[str, Any]:
    """Run everything and write `metrics.json` and `curves.html`; returns what the former holds."""
    refuse_impossible(request)
    families = load_families(request.problems)
    problems = draw_problems(families, request.split, request.limit, request.seed)
    judge: Judge | None = self_check.self_check([p.question for p in problems]) if checks_itself(request) else None
    source = load_source(request.model, device=request.device, temperature=request.temperature)
    if request.verifier is not None and judge is None:
        judge = load_verifier(request.verifier, source.readable())
    with ground_truth(families, allow_unsafe_code=request.allow_unsafe_code) as truth:
        bench = _bench(request, problems, Live(source.propose, source.decode, truth.grade, judge))
        pool, cells = _measure(request, bench, source, tell)
        metrics = metrics_of(request, source, judge, problems, cells, pool, dict(truth.failures))
        if request.fit_plan is not None:
            metrics["plan"] = _fit(request, pool, cells, problems)
    request.out.mkdir(parents=True, exist_ok=True)
    write_json(request.out / "metrics.json", metrics)
    thinking.render(request.out)
    return metrics


def _bench(request: Request, problems: Sequence[Problem], live: Live) -> Bench:
    file = "" if request.plan is None else str(request.plan)
    plan = planner_table.read(file)
    return Bench(problems, live, request.budgets, request.max_tokens, request.seed, plan, file)


def _measure(
    request: Request, bench: Bench, source: Source, tell: Callable[[int, int, str], None]
) -> tuple[Pool | None, list[Cell]]:
    """The pool, if one is of use, and a cell for each strategy and budget."""
    jobs = [(name, budget) for name in request.strategies for budget in request.budgets]
    pooled = not request.live and source.policy is not None
    pool = None
    if pooled and any(replayable(name, bench.plan) for name in request.strategies):
        tell(0, len(jobs), f"drawing the samples of {len(bench.problems)} problems once")
        pool = bench.draw()
    elif request.fit_plan is not None:
        raise PonderError("--fit-plan needs a local model and one of sample, vote, best_of_n, weighted_vote")
    cells = []
    for done, (name, budget) in enumerate(jobs):
        tell(done, len(jobs), f"{name} at {budget:g} token-equivalents, {len(bench.problems)} problems")
        cells.append(bench.cell(name, budget, pool))
    tell(len(jobs), len(jobs), "done")
    return pool, cells


def _fit(request: Request, pool: Pool | None, cells: Sequence[Cell], problems: Sequence[Problem]) -> dict[str, Any]:
    """Fit a plan on what was just measured and write it; returns where it is and what it is worth."""
    assert pool is not None and request.fit_plan is not None  # `_measure` refused otherwise
    tables, runs = [], [cell.runs for cell in cells if cell.runs.strategy != "auto"]
    for budget in sorted(set(request.budgets)):
        some = [r for r in runs if r.budget == budget]
        looking = planning.tabulate(
            pool,
            some,
            max_tokens=request.max_tokens,
            probes=PROBES,
            orders=drawing.ORDERS,
            seed=drawing.order_seed(request.seed),
        )
        tables.append(run_async(looking))
    made = {
        "model": request.model,
        "verifier": None if request.verifier is None else request.verifier.name,
        "split": request.split,
        "problems": list(request.problems),
        "n": len(problems),
    }
    questions = {problem.id: problem.question for problem in problems}
    plan = planning.fit(
        tables, runs[0], questions, max_tokens=request.max_tokens, probes=PROBES, seed=request.seed, made=made
    )
    request.fit_plan.parent.mkdir(parents=True, exist_ok=True)
    write_json(request.fit_plan, planner_table.as_data(plan))
    return {"file": str(request.fit_plan), "crossed": plan.made["crossed"]}
