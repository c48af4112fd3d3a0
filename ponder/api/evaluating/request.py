"""What an evaluation is asked, and what of it can be refused before a model is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ponder.api.policies import Policy, Source
from ponder.api.problems import Problems, Specs, spec_names
from ponder.api.verifiers.loading import Verifier, verifier_name
from ponder.evaluation import self_check
from ponder.search.planner import table as planner_table
from ponder.search.registry import make, needs_judge
from ponder.tools import Tool
from ponder.types import PonderError


@dataclass(frozen=True)
class Request:
    """What to measure. `out` None keeps nothing on disk; `fit_plan` names a file to write a plan to.

    `verifier` is a folder, a registered name, `self-check`, or a judge itself. `tools` may be called while it thinks.
    """

    model: str | Policy | Source = "tiny"
    problems: Specs | Problems = ("arithmetic", "cipher", "countdown")
    split: str = "test"
    limit: int = 100
    strategies: tuple[str, ...] = ("sample", "vote")
    budgets: tuple[float, ...] = (128.0, 512.0, 2048.0)
    verifier: Verifier | None = None
    seed: int = 0
    temperature: float | None = None
    max_tokens: int = 400
    device: str = "cpu"
    frame: str = "auto"
    out: Path | None = None
    live: bool = False
    plan: Path | None = None
    tools: tuple[str | Tool, ...] = ()
    fit_plan: Path | None = None
    allow_unsafe_code: bool = False
    resume: bool = False
    overwrite: bool = False

    @property
    def model_name(self) -> str:
        return self.model if isinstance(self.model, str) else self.model.name

    @property
    def problem_names(self) -> list[str]:
        if isinstance(self.problems, Problems):
            return [family.name for family in self.problems.families]
        return spec_names(self.problems)

    def as_config(self, temperature: float) -> dict[str, Any]:
        """What decides the numbers: the same for every start of one evaluation."""
        return {
            "model": self.model_name,
            "problems": self.problem_names,
            "split": self.split,
            "limit": self.limit,
            "strategies": list(self.strategies),
            "budgets": [float(budget) for budget in self.budgets],
            "verifier": verifier_name(self.verifier),
            "seed": self.seed,
            "temperature": temperature,
            "max_tokens": self.max_tokens,
            "device": self.device,
            "frame": self.frame,
            "live": self.live,
            **({"tools": [t if isinstance(t, str) else t.model_dump() for t in self.tools]} if self.tools else {}),
            "plan": None if self.plan is None else str(self.plan),
        }


def refuse_impossible(request: Request) -> None:
    """Raise PonderError for what cannot work with any model."""
    if not request.strategies or not request.budgets:
        raise PonderError("give at least one strategy and one budget")
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
    """Whether answers are judged by the question itself."""
    return isinstance(request.verifier, str | Path) and str(request.verifier) == self_check.NAME
