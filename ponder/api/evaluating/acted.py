"""What `ponder eval --environment` is asked, and what of it can be refused before a model is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from ponder.api.policies import Policy, Source
from ponder.api.problems import Problems, Specs, spec_names
from ponder.api.verifiers.loading import Verifier, verifier_name
from ponder.config import Strict, checked
from ponder.environments import AnyEnvironment
from ponder.environments.environment import EnvironmentSettings
from ponder.protocols import Together
from ponder.search.planner.table import parsed
from ponder.search.registry import make, needs_judge
from ponder.tools import Tool
from ponder.types import PonderError


@dataclass(frozen=True)
class Acted:
    """What to measure. `environment` is `retry?turns=3` or settings; without `strategies` episodes are plain."""

    environment: str | EnvironmentSettings
    out: Path
    model: str | Policy | Source = "tiny"
    problems: Specs | Problems = ("arithmetic", "cipher", "countdown")
    split: str = "test"
    limit: int = 100
    samples: int = 1
    strategies: tuple[str, ...] = ()
    budgets: tuple[float, ...] = ()
    verifier: Verifier | None = None
    seed: int = 0
    temperature: float | None = None
    max_tokens: int = 400
    frame: str = "auto"
    device: str = "cpu"
    tools: tuple[str | Tool, ...] = ()
    allow_unsafe_code: bool = False
    resume: bool = False
    overwrite: bool = False

    @property
    def searches(self) -> list[tuple[str, float]]:
        """Every strategy at every budget; none: episodes are plain."""
        return [(name, budget) for name in self.strategies for budget in self.budgets]

    @property
    def problem_names(self) -> list[str]:
        """The families that are asked for."""
        given = self.problems
        return [f.name for f in given.families] if isinstance(given, Problems) else spec_names(given)

    def as_config(self, acts_in: EnvironmentSettings) -> dict[str, Any]:
        """What decides the numbers: the same for every start of one evaluation."""
        given = self.problems
        return {
            "environment": acts_in.model_dump(mode="json"),
            "model": self.model if isinstance(self.model, str) else self.model.name,
            "problems": self.problem_names,
            "split": given.split if isinstance(given, Problems) else self.split,
            "limit": len(given) if isinstance(given, Problems) else self.limit,
            "samples": self.samples,
            "strategies": list(self.strategies),
            "budgets": [float(budget) for budget in self.budgets],
            "verifier": verifier_name(self.verifier),
            "seed": self.seed,
            "temperature": 1.0 if self.temperature is None else self.temperature,
            "max_tokens": self.max_tokens,
            "frame": self.frame,
            "device": self.device,
            **({"tools": [t if isinstance(t, str) else t.model_dump() for t in self.tools]} if self.tools else {}),
        }


class _Asked(Strict):
    environment: Annotated[AnyEnvironment, Field()]


def environment_of(spec: str | EnvironmentSettings) -> EnvironmentSettings:
    """`repair?turns=3` as settings, which tell the outcome of every turn where they can. Raises PonderError."""
    if isinstance(spec, str):
        kind, fields = parsed(spec)
        spec = checked(_Asked, {"environment": {"kind": kind, **fields}}, "--environment").environment
    if isinstance(spec, Together):
        raise PonderError(
            f"--environment {spec.kind}: several answers come about together there, and no one of them is graded; "
            "`ponder run` measures the strength of a game's player"
        )
    return spec.measured()


def refuse_impossible(asked: Acted) -> None:
    """Raise PonderError for what cannot work with any model."""
    if bool(asked.strategies) != bool(asked.budgets):
        raise PonderError("--environment: give --strategies and --budgets, or none of them for plain episodes")
    if asked.strategies and asked.samples != 1:
        raise PonderError("--samples are plain episodes a problem; a strategy draws as many as its budget buys")
    for name, budget in asked.searches:
        strategy = make(name, max_tokens=asked.max_tokens)
        if needs_judge(name) and asked.verifier is None:
            raise PonderError(f"strategy {name} needs a verifier to choose with; give --verifier FOLDER, or use vote")
        if budget < strategy.least:
            raise PonderError(f"--budgets {budget:g}: smaller than one episode; the least is {strategy.least}")
