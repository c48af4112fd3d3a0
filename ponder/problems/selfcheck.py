"""Every family proves itself: its gold answers are accepted, its near misses refused, its items fixed and apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from ponder.problems.overlap import normalise
from ponder.problems.splits import SPLITS
from ponder.protocols import Demonstrated, Family, Graded, Levelled
from ponder.types import PonderError, Problem, Verdict

Grade = Callable[[Problem, str], Verdict]
GradeMany = Callable[[Sequence[Problem], Sequence[str]], list[Verdict]]


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


def require_grader(problems: Sequence[Problem], grade: GradeMany, *, most: int = 10) -> None:
    """Try the grader before a training: the gold answers of the first `most` problems of each family.

    `grade` takes problems and responses, as `GroundTruth.grade`. Raises PonderError with the reason if no answer of a
    family could be judged: a training on it would see failures alone.
    """
    families: dict[str, list[Problem]] = {}
    for problem in problems:
        if problem.key.answer is not None and len(families.setdefault(problem.family, [])) < most:
            families[problem.family].append(problem)
    for name, some in families.items():
        verdicts = grade(some, [problem.key.answer or "" for problem in some])
        failures = [verdict for verdict in verdicts if verdict.failure is not None]
        if some and len(failures) == len(some):
            raise PonderError(
                f"{name}: none of {len(some)} gold answers is graded ({failures[0].failure}: {failures[0].detail}); "
                "give the family `grade` and `near_misses`, or name a verifier in its keys"
            )


def check_shape(family: Family) -> None:
    """Refuse a family that looks as if it graded itself or had levels, and does not.

    Raises PonderError: `grade` without `near_misses` is no grader of its own (every answer would be "unsupported"), and
    an `at_level` that returns another class serves other problems than the family's.
    """
    if hasattr(family, "grade") and not isinstance(family, Graded):
        raise PonderError(
            f"{family.name} has `grade` but no `near_misses`; a family that grades itself needs both (near_misses: "
            "responses that must be refused)"
        )
    if isinstance(family, Levelled):
        other = family.at_level(family.level)
        if type(other) is not type(family):
            raise PonderError(
                f"{family.name}: at_level returns {type(other).__name__} and not {type(family).__name__}; define "
                "at_level in the class itself"
            )
