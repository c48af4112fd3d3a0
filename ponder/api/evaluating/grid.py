"""`ponder eval --grid`: the checkpoints of a run, or several models, each thinking at several budgets -> grid.json.

A run keeps the policy of each round in RUN/policies (setting `keep_policies`), and what it had cost by then in its
metrics. Models that are named have no known training cost: they are compared by the work of thinking alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ponder.api.evaluating.cells import Bench
from ponder.api.evaluating.request import Request
from ponder.api.outputs import result_folder
from ponder.api.policies import load_policy, source_of
from ponder.api.problems import Problems, ground_truth, load_problems
from ponder.api.verifiers.loading import verifier_of
from ponder.evaluation.curves import grid
from ponder.evaluation.curves import scaling as curves
from ponder.evaluation.curves.grid import Cell
from ponder.evaluation.pools.drawing import replayable
from ponder.evaluation.pools.pool import Live
from ponder.evaluation.reflection.over_training import over_training
from ponder.models.size import parameters
from ponder.reports.thinking import grid as thinking_grid
from ponder.runlog import read_config, read_metrics
from ponder.runlog.files import write_json
from ponder.search.planner import table as planner_table
from ponder.search.registry import needs_judge
from ponder.types import PonderError

WRITTEN = ("grid.json", "grid.png")


@dataclass(frozen=True)
class Member:
    """A policy and what its training cost (None: not known)."""

    name: str
    model: str
    flops: float | None


def evaluate_grid(request: Request, named: str, tell: Callable[[int, int, str], None]) -> dict[str, Any]:
    """Measure every cell and write `grid.json` and `grid.png`; returns what the former holds."""
    run = Path(named)
    is_run = (run / "config.toml").is_file()
    found = members(run) if is_run else [Member(name, name, None) for name in named.split(",") if name]
    for name in request.strategies:
        if needs_judge(name) and request.verifier is None:
            raise PonderError(f"strategy {name} needs --verifier FOLDER; or use sample and vote")
    verifier = _verifier_flops(request.verifier)
    named_verifier = Path(str(request.verifier))
    is_own = is_run and request.verifier is not None and named_verifier.resolve().parent == run.resolve()
    if request.out is None:
        raise PonderError("a grid is written to files; name a folder for them (--out)")
    out = result_folder(request.out, WRITTEN, overwrite=request.overwrite)
    cells: list[Cell] = []
    each = len(request.strategies) * len(request.budgets)
    for number, member in enumerate(found):
        # A run's verifier and its policies come out of one and the same training, which is paid for once.
        beside = max(0.0, (verifier or 0.0) - (member.flops or 0.0)) if is_own else verifier or 0.0
        cells += _cells(request, member, beside, partial(tell, number * each, len(found) * each))
    total = len(found) * each
    tell(total, total, "done")
    data = {
        "schema": 1,
        "members": [asdict(member) for member in found],
        "problems": request.problem_names,
        "split": request.split,
        "seed": request.seed,
        "max_tokens": request.max_tokens,
        "unit": "floating-point operations; thinking counts two a parameter and token-equivalent",
        "notes": _notes(request, found, verifier),
        **grid.as_data(cells, seed=request.seed),
        "reflection": over_training(run) if is_run else None,
    }
    write_json(out / "grid.json", data)
    thinking_grid.render(out)
    return data


def members(run: Path) -> list[Member]:
    """The base and the policy after each round of a run, with the training work until then."""
    rows = {int(row["round"]): row for row in read_metrics(run) if "round" in row}
    folders = sorted((run / "policies").glob("round-*"))
    if not folders:
        raise PonderError(
            f"{run}: no policies are kept in {run / 'policies'}; run with keep_policies=true, or name models"
        )
    after = []
    for folder in folders:
        number = int(folder.name.removeprefix("round-"))
        if number - 1 in rows:
            after.append(Member(f"round {number}", str(folder), float(rows[number - 1]["flops"])))
    return [Member("base", str(read_config(run)["model"]), 0.0), *after]


def _verifier_flops(verifier: Any) -> float | None:
    """What training the verifier cost: all of the run that it came out of, whose samples and labels it learned from.

    None if there is none, or if it does not stand in the folder of a run.
    """
    if verifier is None or not (Path(str(verifier)).parent / "config.toml").is_file():
        return None
    rows = [row for row in read_metrics(Path(str(verifier)).parent) if "flops" in row]
    return float(rows[-1]["flops"]) if rows else None


def _cells(request: Request, member: Member, beside: float, tell: Callable[[str], None]) -> list[Cell]:
    """Every strategy at every budget; `beside` is what its verifier cost on top of the member's own training."""
    asked = request.problems
    problems = (
        asked
        if isinstance(asked, Problems)
        else load_problems(asked, split=request.split, limit=request.limit, seed=request.seed)
    )
    temperature = 1.0 if request.temperature is None else request.temperature
    policy = load_policy(member.model, device=request.device, temperature=temperature, frame=request.frame)
    judge = verifier_of(request.verifier, source_of(policy), [problem.question for problem in problems])
    size = parameters(policy.model)
    file = "" if request.plan is None else str(request.plan)
    plan = planner_table.read(file)
    cells = []
    with ground_truth(problems.families, allow_unsafe_code=request.allow_unsafe_code) as truth:
        live = Live(policy.propose, policy.codec.decode, truth.grade, judge)
        bench = Bench(problems, live, request.budgets, request.max_tokens, request.seed, plan, file)
        tell(f"{member.name}: drawing samples")
        pooled = not request.live and any(replayable(name, plan) for name in request.strategies)
        pool = bench.draw() if pooled else None
        for name in request.strategies:
            for budget in request.budgets if name != "sample" else (max(request.budgets),):
                tell(f"{member.name}: {name} at {budget:g}")
                runs = bench.cell(name, budget, pool).runs
                if runs.problems:
                    think = 2.0 * size * curves.mean_spent(runs)
                    known = {p.id: (p.family, p.accuracy) for p in runs.problems}
                    asks = judge is not None and (needs_judge(name) or name == "auto")
                    paid = beside if asks else 0.0
                    cells.append(Cell(member.name, member.flops, name, budget, think, known, paid))
    return cells


def _notes(request: Request, found: list[Member], verifier: float | None) -> list[str]:
    """What the work leaves out."""
    unknown = [member.name for member in found if member.flops is None]
    notes = [f"what training {', '.join(unknown)} cost is not known and counts as nothing"] if unknown else []
    if request.verifier is not None:
        notes.append(
            "what training the verifier cost is not known and counts as nothing"
            if verifier is None
            else "who asks the verifier pays for the whole run that it came out of, base and trained policies alike"
        )
    notes.append("each half of the problems is shown by what the other half chose")
    return notes
