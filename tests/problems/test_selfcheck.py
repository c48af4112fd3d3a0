"""A family that cannot be graded is named before a training, with the reason."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from ponder.problems.families.arithmetic import Arithmetic
from ponder.problems.selfcheck import check_shape, require_grader
from ponder.types import Key, PonderError, Problem, Question, Verdict
from ponder.verifiers.truth import GroundTruth


@dataclass(frozen=True)
class Half:
    """Grades, but knows no near misses; `outcome` is what its grader says."""

    outcome: float = 1.0
    name: str = "half"
    level: int = 0

    def problem(self, index, *, split="train", seed=0):
        return Problem(Question(f"half-{index}", self.name, "?"), Key("1"))

    def grade(self, problem, response):
        return Verdict(outcome=self.outcome)


@dataclass(frozen=True)
class Whole(Half):
    def near_misses(self, problem):
        return ["2"]


class Borrowed(Arithmetic):
    """Inherits `at_level`, which makes an Arithmetic."""


@pytest.mark.parametrize(
    ("family", "said"), [(Half(), "`grade` but no `near_misses`"), (Borrowed(), "at_level returns Arithmetic and not")]
)
def test_a_family_that_only_looks_graded_is_refused(family, said):
    with pytest.raises(PonderError, match=said):
        check_shape(family)
    with pytest.raises(PonderError, match=said):
        GroundTruth({family.name: family})


def test_families_as_they_should_be_are_not():
    check_shape(Whole())
    check_shape(Arithmetic())


def test_a_grader_that_judges_nothing_is_found_before_the_training():
    unnamed = [Half().problem(index) for index in range(3)]
    with GroundTruth() as truth:
        with pytest.raises(PonderError, match=r"half: none of 3 gold answers is graded \(unsupported"):
            require_grader(unnamed, truth.grade)
        require_grader([Problem(Question("m", "file", "?"), Key("5", {"verifier": "math"}))], truth.grade)


def test_an_outcome_between_right_and_wrong_is_a_failure():
    with GroundTruth({"half": Whole(outcome=0.5)}) as truth:
        verdict = truth.grade([Whole().problem(0)], ["1"])[0]
    assert (verdict.outcome, verdict.failure) == (None, "infrastructure")
    assert "0.5" in verdict.detail and "allowed are 0.0" in verdict.detail
