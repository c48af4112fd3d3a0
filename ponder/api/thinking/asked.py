"""What is asked of a search, and what of it can be refused before a model is loaded."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from ponder.api.problems import load_families
from ponder.api.thinking import recorded_planner
from ponder.reports.tree import page
from ponder.search.planner.efforts import budget_of
from ponder.search.registry import make, needs_judge
from ponder.search.strategy import Thinking
from ponder.types import PonderError, Question

BUDGET = 1024.0  # token-equivalents, where neither a budget nor an effort is given
_LEAST_LENGTH = 64
_STARTS = {"Compute ": "arithmetic", "Decode ": "cipher", "Make ": "countdown"}


@dataclass(frozen=True)
class Asked:
    """One question and how to think about it; `model` and `verifier` are names, for files and pages."""

    text: str
    model: str = "tiny"
    strategy: str = "vote"
    budget: float | None = None
    effort: str | None = None
    seconds: float | None = None
    verifier: str | None = None
    problems: str | None = None
    seed: int = 0
    temperature: float = 1.0
    max_tokens: int = 400
    out: Path | None = None
    plan: Path | None = None
    given: Question | None = None
    images: tuple[str, ...] = ()

    @property
    def limit(self) -> float:
        """The budget in token-equivalents."""
        if self.budget is not None and self.effort is not None:
            raise PonderError("--budget and --effort are two ways to say the same; give one of them")
        if self.effort is not None:
            return budget_of(self.effort, max_tokens=self.max_tokens)
        return BUDGET if self.budget is None else self.budget


def refuse_impossible(asked: Asked, *, overwrite: bool = False) -> None:
    """Refuse before a model is loaded what cannot work with any."""
    if not asked.text.strip():
        raise PonderError('the question is empty; write one, for example: ponder solve "Make 18 from 3, 6, 1."')
    if needs_judge(asked.strategy) and asked.verifier is None:
        raise PonderError(f"strategy {asked.strategy} needs --verifier FOLDER; or use sample or vote")
    if asked.seconds is not None and not asked.seconds > 0:
        raise PonderError(f"--seconds {asked.seconds:g}: give a number above 0")
    if asked.out is not None and asked.out.exists() and not asked.out.is_dir():
        raise PonderError(f"--out {asked.out} is a file; name a folder for tree.json and tree.html")
    if asked.out is not None and (asked.out / page.JSON).exists() and not overwrite:
        raise PonderError(f"--out {asked.out} holds the tree of another search; name another folder or add --overwrite")
    if asked.plan is not None and asked.strategy != "auto":
        raise PonderError(f"--plan is for --strategy auto, not for {asked.strategy}; leave one of the two out")
    recorded_planner.check(strategy_of(asked))


def strategy_of(asked: Asked) -> Thinking:
    """The strategy that is asked for, with its limits."""
    plan = {} if asked.plan is None else {"plan": str(asked.plan)}
    return make(asked.strategy, max_tokens=min(asked.max_tokens, max(_LEAST_LENGTH, int(asked.limit))), **plan)


def question_of(asked: Asked) -> Question:
    """The question, with the instructions of the family it is said (or, for the embedded ones, seen) to be of."""
    if asked.images:
        return replace(question_of(replace(asked, images=())), images=asked.images)
    if asked.given is not None:
        return asked.given
    spec = asked.problems or next((name for start, name in _STARTS.items() if asked.text.startswith(start)), None)
    if spec is None:
        return Question("asked", "", asked.text)
    example = load_families([spec])[0].problem(0).question
    return Question("asked", example.family, asked.text, example.instructions, example.level)
