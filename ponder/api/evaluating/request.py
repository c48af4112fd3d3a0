"""What an evaluation is asked, and what of it can be refused before a model is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ponder.evaluation import self_check
from ponder.search.planner import table as planner_table
from ponder.search.registry import make, needs_judge
from ponder.types import PonderError


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


def refuse_impossible(request: Request) -> None:
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


def checks_itself(request: Request) -> bool:
    return request.verifier is not None and str(request.verifier) == self_check.NAME
