"""`ponder eval`: one model, several strategies and budgets, one set of problems -> metrics.json and curves.html.

With a local model the samples are drawn once and strategies that only draw are replayed on them, which is several times
cheaper and pairs them; strategies that branch are run at every budget. `live` runs everything, so that every seconds is
measured. Problems that could not be graded are left out and counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from ponder.api.evaluating import cells as drawing
from ponder.api.evaluating.cells import Bench, Cell
from ponder.api.evaluating.evaluation import Evaluation
from ponder.api.evaluating.journal import RESULTS, RUNS, SAMPLES, Journal
from ponder.api.evaluating.metrics import metrics_of
from ponder.api.evaluating.request import Request, refuse_impossible
from ponder.api.machine import check_device
from ponder.api.outputs import clear
from ponder.api.policies import Policy, Source, source_of
from ponder.api.problems import Problems, Specs, ground_truth, load_problems
from ponder.api.verifiers.loading import Verifier, verifier_name, verifier_of
from ponder.engines.loop import run as run_async
from ponder.evaluation import planning
from ponder.evaluation.pools.drawing import replayable
from ponder.evaluation.pools.pool import Live, Pool
from ponder.reports.thinking import page as thinking
from ponder.runlog import RunLog
from ponder.runlog.files import explained, write_json
from ponder.search.planner import table as planner_table
from ponder.tools import Tool, toolbox
from ponder.types import PonderError, Problem

PROBES = 4  # samples that a fitted plan looks at
METRICS = "metrics.json"
WRITTEN = (METRICS, "curves.html", "curves.png", "config.toml", "metrics.jsonl", "events.jsonl", SAMPLES, RUNS, RESULTS)
Tell = Callable[[int, int, str], None]


def evaluate(
    policy: str | Policy | Source = "tiny",
    problems: Specs | Problems = ("arithmetic", "cipher", "countdown"),
    *,
    strategies: Sequence[str] = ("sample", "vote"),
    budgets: Sequence[float] = (128.0, 512.0, 2048.0),
    verifier: Verifier | None = None,
    split: str = "test",
    limit: int = 100,
    seed: int = 0,
    temperature: float | None = None,
    max_tokens: int = 400,
    device: str = "cpu",
    frame: str = "auto",
    out: Path | None = None,
    live: bool = False,
    tools: Sequence[str | Tool] = (),
    resume: bool = False,
    overwrite: bool = False,
    allow_unsafe_code: bool = False,
    tell: Tell | None = None,
) -> Evaluation:
    """Accuracy of `strategies` at `budgets` (token-equivalents a problem) on held-out problems, with intervals.

    `policy` is a loaded one or a name for `load_source`; `problems` are specs, families, or problems of
    `load_problems`, which have a split and a number of their own. With a local model the samples are drawn once and
    strategies that only draw are replayed on them; `live` runs everything afresh, so that seconds are measured.
    `tools` (`calc`, `python`) may be called while it thinks.

    `frame` is how a model given by name is asked (docs/models.md).

    With `out`, samples and results are kept row by row, metrics.json and curves.html are written, and `resume` goes on
    with an evaluation that was stopped. `tell(done, total, note)` hears of progress. Raises PonderError for settings
    that do not go together and for a folder that holds other results, unless `overwrite`.
    """
    request = Request(
        model=policy,
        problems=problems,
        split=problems.split if isinstance(problems, Problems) else split,
        limit=limit,
        strategies=tuple(strategies),
        budgets=tuple(sorted(set(budgets))),
        verifier=verifier,
        seed=seed,
        temperature=temperature,
        max_tokens=max_tokens,
        device=device,
        frame=frame,
        out=out,
        live=live,
        tools=tuple(tools),
        allow_unsafe_code=allow_unsafe_code,
        resume=resume,
        overwrite=overwrite,
    )
    return run(request, tell or (lambda *_: None))


def run(request: Request, tell: Tell) -> Evaluation:
    """Measure what the request asks, and write `metrics.json` and `curves.html` if it names a folder."""
    refuse_impossible(request)
    check_device(request.device)
    asked = request.problems
    problems = (
        asked
        if isinstance(asked, Problems)
        else load_problems(asked, split=request.split, limit=request.limit, seed=request.seed)
    )
    box = toolbox(request.tools)
    source = source_of(
        request.model, device=request.device, temperature=request.temperature, frame=request.frame
    ).with_tools(box)
    judge = verifier_of(request.verifier, source, [problem.question for problem in problems])
    with opened(request) as journal:
        with ground_truth(problems.families, allow_unsafe_code=request.allow_unsafe_code) as truth:
            live = Live(source.propose, source.decode, truth.grade, judge)
            bench = replace(_bench(request, problems, live), journal=journal)
            pool, cells = _measure(request, bench, source, tell)
            metrics = metrics_of(
                request, source, judge, problems, cells, pool, dict(truth.failures), resumed=journal.resumed
            )
            if request.fit_plan is not None:
                metrics["plan"] = _fit(request, pool, cells, problems)
        if request.out is not None:
            write_json(request.out / METRICS, metrics)
            thinking.render(request.out)
    if box is not None:
        box.close()
    return Evaluation(metrics, pool)


@contextmanager
def opened(request: Request) -> Iterator[Journal]:
    """The journal in the request's folder, which this process holds until it is done."""
    if request.out is None:
        yield Journal(None)
        return
    if request.overwrite and not request.resume:
        clear(request.out, WRITTEN)
    temperature = 1.0 if request.temperature is None else request.temperature
    with RunLog.open(request.out, request.as_config(temperature), resume=request.resume):
        yield Journal(request.out)


def _bench(request: Request, problems: Sequence[Problem], live: Live) -> Bench:
    file = "" if request.plan is None else str(request.plan)
    plan = planner_table.read(file)
    return Bench(problems, live, request.budgets, request.max_tokens, request.seed, plan, file)


def _measure(request: Request, bench: Bench, source: Source, tell: Tell) -> tuple[Pool | None, list[Cell]]:
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
        "model": request.model_name,
        "verifier": None if (name := verifier_name(request.verifier)) is None else Path(name).name,
        "split": request.split,
        "problems": request.problem_names,
        "n": len(problems),
    }
    questions = {problem.id: problem.question for problem in problems}
    plan = planning.fit(
        tables, runs[0], questions, max_tokens=request.max_tokens, probes=PROBES, seed=request.seed, made=made
    )
    with explained(request.fit_plan):
        request.fit_plan.parent.mkdir(parents=True, exist_ok=True)
    write_json(request.fit_plan, planner_table.as_data(plan))
    return {"file": str(request.fit_plan), "crossed": plan.made["crossed"]}
