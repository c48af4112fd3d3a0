"""`ponder eval`: one model, several strategies and budgets, one set of problems -> metrics.json and curves.html.

With a local model the samples are drawn once and strategies that only draw are replayed on them, which is several times
cheaper and pairs them; strategies that branch are run at every budget. `live` runs everything, so that every seconds is
measured. Problems that could not be graded are left out and counted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from ponder.commands import assemble, eval_curves
from ponder.commands.assemble import Source
from ponder.commands.eval_curves import Bench, Cell
from ponder.commands.verifier import load_judge
from ponder.engines.loop import run as run_async
from ponder.evaluation import planning, self_check
from ponder.evaluation.curves import scaling as curves
from ponder.evaluation.pools.drawing import replayable
from ponder.evaluation.pools.pool import Live, Pool
from ponder.evaluation.pools.runs import Runs
from ponder.protocols import Family, Judge
from ponder.reports.run import work as used
from ponder.reports.thinking import page as thinking
from ponder.runlog import environment
from ponder.runlog.files import write_json
from ponder.search.planner import table as planner_table
from ponder.search.registry import make, needs_judge
from ponder.selfplay import accounts
from ponder.selfplay.accounts import Part
from ponder.types import PonderError, Problem
from ponder.verifiers.learned.common.batched import BatchedJudge

SHOWN_ERRORS = 5  # different ones, of the runs lost at one budget
PROBES = 4  # samples that a fitted plan looks at


@dataclass(frozen=True)
class Request:
    """What `ponder eval` was asked for. `verifier` may be `self-check`; `fit_plan` names a file to write a plan to."""

    model: str
    problems: tuple[str, ...]
    split: str
    limit: int
    strategies: tuple[str, ...]
    budgets: tuple[float, ...]
    verifier: Path | None
    seed: int
    temperature: float
    max_tokens: int
    device: str
    out: Path
    live: bool = False
    plan: Path | None = None
    fit_plan: Path | None = None
    allow_unsafe_code: bool = False


def evaluate(request: Request, tell: Callable[[int, int, str], None]) -> dict[str, Any]:
    """Run everything and write `metrics.json` and `curves.html`; returns what the former holds."""
    _check(request)
    families = assemble.families(request.problems)
    problems = draw(families, request.split, request.limit, request.seed)
    judge: Judge | None = self_check.self_check(problems) if _checks_itself(request) else None
    source = assemble.source(request.model, device=request.device, temperature=request.temperature)
    if request.verifier is not None and judge is None:
        judge = load_judge(request.verifier, source.readable())
    with assemble.truth(families, allow_unsafe_code=request.allow_unsafe_code) as truth:
        bench = _bench(request, problems, Live(source.propose, source.decode, truth.grade, judge))
        pool, cells = _measure(request, bench, source, tell)
        metrics = _metrics(request, source, judge, problems, cells, pool, dict(truth.failures))
        if request.fit_plan is not None:
            metrics["plan"] = _fit(request, pool, cells, problems)
    request.out.mkdir(parents=True, exist_ok=True)
    write_json(request.out / "metrics.json", metrics)
    thinking.render(request.out)
    return metrics


def draw(families: Sequence[Family], split: str, limit: int, seed: int) -> list[Problem]:
    """`limit` different problems of each family (fewer if a family has no more)."""
    return [problem for family in families for problem in _distinct(family, split, limit, seed)]


def _distinct(family: Family, split: str, limit: int, seed: int) -> list[Problem]:
    found: dict[str, Problem] = {}
    for index in range(limit * 20):
        problem = family.problem(index, split=split, seed=seed)
        found.setdefault(problem.question.text, problem)
        if len(found) == limit:
            break
    return list(found.values())


def _check(request: Request) -> None:
    for name in request.strategies:
        strategy = make(name, max_tokens=request.max_tokens)
        if needs_judge(name) and request.verifier is None:
            raise PonderError(
                f"strategy {name} needs a verifier to choose with; give --verifier FOLDER (`ponder run` leaves one in "
                "RUN/verifier) or use sample or vote"
            )
        if min(request.budgets) < strategy.least:
            raise PonderError(
                f"--budgets {min(request.budgets):g}: smaller than one answer; the least is {strategy.least} "
                f"token-equivalents"
            )
    if request.limit < 1:
        raise PonderError(f"--limit {request.limit}: at least 1 problem is needed")
    if request.fit_plan is not None and (request.live or request.split == "test"):
        raise PonderError(
            "--fit-plan needs samples to look at and problems that nothing is reported on: leave --live out and give "
            "--split validation"
        )
    if request.plan is not None:
        planner_table.read(str(request.plan))


def _checks_itself(request: Request) -> bool:
    return request.verifier is not None and str(request.verifier) == self_check.NAME


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
            orders=eval_curves.ORDERS,
            seed=eval_curves.order_seed(request.seed),
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


def _row(cell: Cell, seed: int, verifier: str | None) -> dict[str, Any]:
    """One strategy at one budget. What was spent is the mean over the runs of a problem, summed over problems."""
    runs = cell.runs
    interval = curves.accuracy_interval(runs, seed=seed)
    pairs = [(usage, len(problem.usages)) for problem in runs.problems for usage in problem.usages]
    return {
        "strategy": runs.strategy,
        "budget": runs.budget,
        "judge": verifier if needs_judge(runs.strategy) or runs.strategy == "auto" else None,
        "accuracy": None if interval is None else asdict(interval),
        "by_family": {family: _accuracy(runs.of(family), seed) for family in _names(runs)},
        "spent": curves.mean_spent(runs) if pairs else None,
        "kept": sum(u.kept / n for u, n in pairs),
        "discarded": sum(u.discarded / n for u, n in pairs),
        "verifier": sum(u.verifier / n for u, n in pairs),
        "calls": sum(u.calls / n for u, n in pairs),
        "replayed": cell.seconds is None,
        "dry": runs.dry,
        "seconds": cell.seconds,
        "failures": runs.failures,
        "lost": {"runs": len(runs.errors), "errors": list(dict.fromkeys(runs.errors))[:SHOWN_ERRORS]},
    }


def _with_lost(failures: dict[str, int], cells: Sequence[Cell]) -> dict[str, int]:
    """The grader's failures, and the runs that were lost with a call of the engine as `infrastructure`."""
    lost = sum(len(cell.runs.errors) for cell in cells)
    return {**failures, "infrastructure": failures.get("infrastructure", 0) + lost} if lost else failures


def _accuracy(runs: Runs, seed: int) -> dict[str, Any] | None:
    interval = curves.accuracy_interval(runs, seed=seed)
    return None if interval is None else asdict(interval)


def _names(runs: Runs) -> list[str]:
    return list(dict.fromkeys(problem.family for problem in runs.problems))


def _metrics(
    request: Request,
    source: Source,
    judge: Judge | None,
    problems: Sequence[Problem],
    cells: Sequence[Cell],
    pool: Pool | None,
    failures: dict[str, int],
) -> dict[str, Any]:
    told = source.told()
    verifier = None if judge is None else str(request.verifier)
    return {
        "schema": 1,
        "model": source.name,
        "problems": list(request.problems),
        "split": request.split,
        "n": len(problems),
        "verifier": verifier,
        "seed": request.seed,
        "temperature": request.temperature,
        "max_tokens": request.max_tokens,
        "unit": "token-equivalents a problem; kept, discarded, verifier and calls are sums over all problems",
        "results": [_row(cell, request.seed, verifier) for cell in cells],
        "curves": eval_curves.drawn(cells, pool, lambda name: _named(request, name), request.seed),
        "reflection": None if pool is None else eval_curves.reflections(pool, request.max_tokens),
        "samples": None if pool is None else sum(len(entry.draws) for entry in pool.entries),
        "failures": _with_lost(failures, cells),
        "tokens_generated": told["generated"],
        "engine": told,
        "work": _work(source, judge),
        "revision": environment.revision(),
        "versions": environment.versions(),
        "machine": environment.machine(request.device),
    }


def _work(source: Source, judge: Judge | None) -> dict[str, Any] | None:
    """What policy and verifier computed, and the machine's rate; None where the engine is not in this process."""
    if source.policy is None:
        return None
    engine, config = source.policy.engine, source.policy.model.config
    rate = accounts.peak(config, str(engine.device), engine.dtype)
    parts = {"policy": Part(engine.work.flops, engine.work.seconds)}
    if isinstance(judge, BatchedJudge):
        parts["verifier"] = Part(accounts.tokens_flops(judge.model.config, judge.tokens_scored), None)
    return {"rate": asdict(rate), "parts": accounts.table(parts, rate)}


def _named(request: Request, name: str) -> str:
    """The name of a strategy's curve; one that was judged by the problem itself says so."""
    judged = needs_judge(name) or name == "auto"
    return f"{name} ({self_check.NAME})" if judged and _checks_itself(request) else name


def table(metrics: dict[str, Any]) -> Table:
    """The results as a table for people."""
    estimated = "" if metrics["engine"]["exact"] else "; tokens are partly estimated"
    title = f"{metrics['n']} {metrics['split']} problems, {metrics['model']}{estimated}{_lost(metrics['results'])}"
    shown = Table(title=title, title_justify="left", caption=used.thinking(metrics), caption_justify="left")
    for column in ("strategy", "budget", "accuracy", "95 % interval", "spent", "seconds"):
        shown.add_column(column, justify="left" if column == "strategy" else "right")
    for row in metrics["results"]:
        found = row["accuracy"]
        accuracy, interval = (
            ("-", "-") if found is None else (f"{found['y']:.1%}", f"{found['low']:.1%} to {found['high']:.1%}")
        )
        spent = "-" if row["spent"] is None else f"{row['spent']:.0f}"
        seconds = "replayed" if row["replayed"] else f"{row['seconds']:.1f}"
        shown.add_row(row["strategy"], f"{row['budget']:g}", accuracy, interval, spent, seconds)
    return shown


def _lost(results: Sequence[dict[str, Any]]) -> str:
    """How many runs were lost, and what the engine said of the first."""
    lost = sum(row["lost"]["runs"] for row in results)
    first = next((error for row in results for error in row["lost"]["errors"]), "")
    return f"; {lost} runs were lost and are left out: {first}" if lost else ""
