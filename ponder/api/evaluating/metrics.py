"""What an evaluation writes into `metrics.json`: results by strategy and budget, curves, work, where it was made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from ponder.api.evaluating import cells as drawing
from ponder.api.evaluating.cells import Cell
from ponder.api.evaluating.request import Request, checks_itself
from ponder.api.policies import Source
from ponder.api.verifiers.loading import verifier_name
from ponder.evaluation import self_check
from ponder.evaluation.curves import scaling as curves
from ponder.evaluation.pools.pool import Pool
from ponder.evaluation.pools.runs import Runs
from ponder.protocols import Judge
from ponder.runlog import environment
from ponder.search.registry import needs_judge
from ponder.selfplay import accounts
from ponder.selfplay.accounts import Part
from ponder.types import Problem
from ponder.verifiers.learned.common.batched import BatchedJudge

SHOWN_ERRORS = 5  # different ones, of the runs lost at one budget


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


def metrics_of(
    request: Request,
    source: Source,
    judge: Judge | None,
    problems: Sequence[Problem],
    cells: Sequence[Cell],
    pool: Pool | None,
    failures: dict[str, int],
    *,
    resumed: bool = False,
) -> dict[str, Any]:
    """`resumed`: earlier processes made a part of it, so what this one's engine counted is not all."""
    told = source.told()
    verifier = None if judge is None else verifier_name(request.verifier)
    return {
        "schema": 1,
        "model": source.name,
        "problems": request.problem_names,
        "split": request.split,
        "n": len(problems),
        "verifier": verifier,
        "seed": request.seed,
        "temperature": getattr(source.propose, "temperature", request.temperature),
        "max_tokens": request.max_tokens,
        "unit": "token-equivalents a problem; kept, discarded, verifier and calls are sums over all problems",
        "results": [_row(cell, request.seed, verifier) for cell in cells],
        "curves": drawing.drawn(cells, pool, lambda name: _named(request, name), request.seed),
        "reflection": None if pool is None else drawing.reflections(pool, request.max_tokens),
        "samples": None if pool is None else sum(len(entry.draws) for entry in pool.entries),
        "failures": _with_lost(failures, cells),
        "tokens_generated": None if resumed else told["generated"],
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
    model = source.policy.model
    rate = accounts.peak(config, str(model.device), model.dtype)
    if not isinstance(engine, accounts.Counting):
        return None
    parts = {"policy": Part(engine.work.flops, engine.work.seconds)}
    if isinstance(judge, BatchedJudge):
        parts["verifier"] = Part(accounts.tokens_flops(judge.model.config, judge.tokens_scored), None)
    return {"rate": asdict(rate), "parts": accounts.table(parts, rate)}


def _named(request: Request, name: str) -> str:
    """The name of a strategy's curve; one that was judged by the problem itself says so."""
    judged = needs_judge(name) or name == "auto"
    return f"{name} ({self_check.NAME})" if judged and checks_itself(request) else name
