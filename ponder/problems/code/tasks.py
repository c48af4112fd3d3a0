"""Tasks with tests, vetted before use: a task whose own answer fails its own tests is refused by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ponder.problems.code.mutants import GradeAll
from ponder.types import Problem


@dataclass(frozen=True)
class Vetted:
    """`kept` problems in order; `refused` ids with the reason; `untried` ids that have no answer or got no verdict."""

    kept: tuple[Problem, ...]
    refused: Mapping[str, str]
    untried: Mapping[str, str]


def vet(problems: Sequence[Problem], grade: GradeAll) -> Vetted:
    """Grade every problem's own answer."""
    verdicts = grade(problems, [problem.key.answer or "" for problem in problems])
    kept, refused, untried = [], {}, {}
    for problem, verdict in zip(problems, verdicts, strict=True):
        if problem.key.answer is None:
            untried[problem.id] = "it has no answer of its own"
        elif verdict.outcome == 1.0:
            kept.append(problem)
        elif verdict.failure not in (None, "gold"):
            untried[problem.id] = verdict.detail
        else:
            refused[problem.id] = verdict.detail
    return Vetted(tuple(kept), refused, untried)
