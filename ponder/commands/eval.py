"""`ponder eval`: one model, several strategies and budgets, one set of problems -> metrics.json.

Every strategy is run live, so seconds are real. Problems that could not be graded are left out and counted.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from ponder.commands import assemble
from ponder.commands.assemble import Source
from ponder.commands.verifier import load_judge
from ponder.engines.loop import run as run_async
from ponder.evaluation import curves
from ponder.evaluation.pool import Live
from ponder.evaluation.runs import Runs, run_live
from ponder.protocols import Family, Judge
from ponder.runlog import environment
from ponder.runlog.files import write_json
from ponder.search.registry import make, needs_judge
from ponder.seeds import derive_seed
from ponder.types import PonderError, Problem


@dataclass(frozen=True)
class Request:
    """What `ponder eval` was asked for."""

    model: str
    problems: tuple[str, ...]
    split: str
    limit: int
    strategies: tuple[str, ...]
    budgets: tuple[int, ...]
    verifier: Path | None
    seed: int
    temperature: float
    max_tokens: int
    device: str
    out: Path


def evaluate(request: Request, tell: Callable[[int, int, str], None]) -> dict[str, Any]:
    """Run everything and write `metrics.json`; returns what was written."""
    _check(request)
    families = assemble.families(request.problems)
    problems = draw(families, request.split, request.limit, request.seed)
    source = assemble.source(request.model, device=request.device, temperature=request.temperature)
    judge = load_judge(request.verifier, source.readable()) if request.verifier else None
    with assemble.truth(families) as truth:
        live = Live(source.propose, source.decode, truth.grade, judge)
        jobs = [(name, budget) for name in request.strategies for budget in request.budgets]
        rows = []
        for done, (name, budget) in enumerate(jobs):
            tell(done, len(jobs), f"{name} at {budget} token-equivalents, {len(problems)} problems")
            rows.append(_row(request, name, budget, problems, live))
        tell(len(jobs), len(jobs), "done")
        metrics = _metrics(request, source, judge, problems, rows, dict(truth.failures))
    request.out.mkdir(parents=True, exist_ok=True)
    write_json(request.out / "metrics.json", metrics)
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
        make(name)
        if needs_judge(name) and request.verifier is None:
            raise PonderError(
                f"strategy {name} needs a verifier to choose with; give --verifier FOLDER (`ponder run` leaves one in "
                "RUN/verifier) or use sample or vote"
            )
    if request.limit < 1:
        raise PonderError(f"--limit {request.limit}: at least 1 problem is needed")


def _row(request: Request, name: str, budget: int, problems: Sequence[Problem], live: Live) -> dict[str, Any]:
    strategy = make(name, max_tokens=request.max_tokens)
    started = time.monotonic()
    runs: Runs = run_async(run_live(name, strategy, problems, live, budget, seed=derive_seed("eval", request.seed)))
    seconds = time.monotonic() - started
    interval = curves.accuracy_interval(runs, seed=request.seed)
    usages = [usage for problem in runs.problems for usage in problem.usages]
    return {
        "strategy": name,
        "budget": budget,
        "accuracy": None if interval is None else asdict(interval),
        "by_family": {family: _accuracy(runs.of(family), request.seed) for family in _names(runs)},
        "spent": curves.mean_spent(runs) if usages else None,
        "kept": sum(u.kept for u in usages),
        "discarded": sum(u.discarded for u in usages),
        "verifier": sum(u.verifier for u in usages),
        "calls": sum(u.calls for u in usages),
        "seconds": seconds,
        "failures": runs.failures,
    }


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
    rows: list[dict[str, Any]],
    failures: dict[str, int],
) -> dict[str, Any]:
    told = source.told()
    return {
        "schema": 1,
        "model": source.name,
        "problems": list(request.problems),
        "split": request.split,
        "n": len(problems),
        "verifier": None if judge is None else str(request.verifier),
        "seed": request.seed,
        "temperature": request.temperature,
        "max_tokens": request.max_tokens,
        "unit": "token-equivalents a problem; kept, discarded, verifier and calls are sums over all problems",
        "results": rows,
        "failures": failures,
        "tokens_generated": told["generated"],
        "engine": told,
        "revision": environment.revision(),
        "versions": environment.versions(),
        "machine": environment.machine(request.device),
    }


def table(metrics: dict[str, Any]) -> Table:
    """The results as a table for people."""
    estimated = "" if metrics["engine"]["exact"] else "; tokens are partly estimated"
    title = f"{metrics['n']} {metrics['split']} problems, {metrics['model']}{estimated}"
    shown = Table(title=title, title_justify="left")
    for column in ("strategy", "budget", "accuracy", "95 % interval", "spent", "seconds"):
        shown.add_column(column, justify="left" if column == "strategy" else "right")
    for row in metrics["results"]:
        found = row["accuracy"]
        accuracy, interval = (
            ("-", "-") if found is None else (f"{found['y']:.1%}", f"{found['low']:.1%} to {found['high']:.1%}")
        )
        spent = "-" if row["spent"] is None else f"{row['spent']:.0f}"
        shown.add_row(row["strategy"], str(row["budget"]), accuracy, interval, spent, f"{row['seconds']:.1f}")
    return shown
