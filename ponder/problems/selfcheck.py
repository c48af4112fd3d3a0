"""Every family proves itself: its gold answers are accepted, its near misses refused, its items fixed and apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from ponder.problems.overlap import normalise
from ponder.problems.splits import SPLITS
from ponder.protocols import Demonstrated, Family, Graded
from ponder.types import PonderError, Problem, Verdict

Grade = Callable[[Problem, str], Verdict]


@runtime_checkable
class Varied(Protocol):
    """A family that knows other ways to write a right answer."""

    def equivalents(self, problem: Problem) -> list[str]: ...


@runtime_checkable
class Missed(Protocol):
    """A family that knows responses that must be refused, whoever grades it."""

    def near_misses(self, problem: Problem) -> list[str]: ...


@dataclass(frozen=True)
class Report:
    """`checked` problems of a family and what is wrong with them, one sentence each; none is `ok`.

    `without_gold` are problems whose key holds no answer that could be tried.
    """

    family: str
    checked: int
    faults: tuple[str, ...]
    without_gold: int = 0

    @property
    def ok(self) -> bool:
        return not self.faults and self.without_gold < self.checked


def check(
    family: Family, n: int = 20, seed: int = 0, *, grade: Grade | None = None, splits: tuple[str, ...] = SPLITS
) -> Report:
    """Check `n` problems of each split. Families without a grader of their own need `grade`."""
    if isinstance(family, Graded):
        grade = family.grade
    if grade is None:
        raise PonderError(f"{family.name} has no grader of its own; hand in the verifier that its keys name")
    faults: list[str] = []
    contents: dict[str, str] = {}
    sample = [(split, i, family.problem(i, split=split, seed=seed)) for split in splits for i in range(n)]
    for split, i, problem in sample:
        if family.problem(i, split=split, seed=seed) != problem:
            faults.append(f"{problem.id}: a second draw differs")
        if contents.setdefault(normalise(problem.question.text), split) != split:
            faults.append(f"{problem.id}: its question is in two splits")
        faults += _graded(family, problem, grade)
    without = sum(problem.key.answer is None for *_, problem in sample)
    return Report(family.name, len(sample), tuple(faults), without)


def _graded(family: Family, problem: Problem, grade: Grade) -> list[str]:
    """What is wrong with the grading of one problem."""
    right = _right(family, problem)
    wrong = family.near_misses(problem) if isinstance(family, Missed) else _evasions(problem)
    faults = [f"{problem.id}: right answer refused: {text!r}" for text in right if grade(problem, text).outcome != 1.0]
    faults += [f"{problem.id}: near miss accepted: {text!r}" for text in wrong if grade(problem, text).outcome == 1.0]
    if isinstance(family, Demonstrated):
        shown = family.demonstration(problem, 0)
        if family.demonstration(problem, 0) != shown or grade(problem, shown) != grade(problem, shown):
            faults.append(f"{problem.id}: its demonstration or the grade of it differs the second time")
    return faults


def _right(family: Family, problem: Problem) -> list[str]:
    """The gold answer bare, after thinking and with white space round it, and the family's own variants of it."""
    gold = problem.key.answer
    if gold is None:
        return []
    variants = family.equivalents(problem) if isinstance(family, Varied) else []
    return [gold, f"<think>\nso\n</think>{gold}", f"</think>\n\n{gold}\n", *variants]


def _evasions(problem: Problem) -> list[str]:
    """What no grader may accept, whatever the problem."""
    return ["", f"<think>\n{problem.key.answer}", "I do not know"]
