"""Ground truth: the family's own grader first, then the named verifier; broken is never a reward."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from ponder.problems.families.arithmetic import Arithmetic
from ponder.types import Key, Problem, Question, Verdict
from ponder.verifiers.truth import GroundTruth


@dataclass
class Broken:
    """A family whose grader raises, or returns what it is told."""

    verdict: Verdict | None = None
    name: str = "broken"
    level: int = 1

    def problem(self, index, *, split="train", seed=0):
        return Problem(Question(f"broken-{index}", self.name, "?"), Key("1"))

    def grade(self, problem, response):
        if self.verdict is None:
            raise RuntimeError("a bug")
        return self.verdict

    def near_misses(self, problem):
        return []


def _math(answer, verifier="math"):
    return Problem(Question("m", "file", "?"), Key(answer, {"verifier": verifier} if verifier else {}))


def test_families_and_mathematics_are_graded_in_order():
    arithmetic = Arithmetic()
    problem = arithmetic.problem(0)
    with GroundTruth({"arithmetic": arithmetic}) as truth:
        verdicts = truth.grade(
            [_math("x+1"), problem, _math("5"), problem, _math("1/2")],
            ["1+x", f"</think>{problem.key.answer}", "6", "</think>none", r"\boxed{0.5}"],
        )
    assert [verdict.outcome for verdict in verdicts] == [1.0, 1.0, 0.0, 0.0, 1.0]
    assert not truth.failures


def test_an_exception_in_a_family_is_a_counted_failure_and_its_neighbours_are_graded():
    with GroundTruth({"broken": Broken()}) as truth:
        verdicts = truth.grade([_math("5"), Broken().problem(0), _math("5")], ["5", "5", "4"])
    assert [verdict.outcome for verdict in verdicts] == [1.0, None, 0.0]
    assert verdicts[1].failure == "infrastructure"
    assert "RuntimeError: a bug" in verdicts[1].detail
    assert truth.failures == {"infrastructure": 1}


@pytest.mark.parametrize("verdict", [Verdict(), Verdict(outcome=1.0, failure="timeout")])
def test_a_verdict_that_is_both_or_neither_is_an_infrastructure_failure(verdict):
    with GroundTruth({"broken": Broken(verdict)}) as truth:
        assert truth.grade([Broken().problem(0)], ["5"])[0].failure == "infrastructure"
        assert truth.grade([Broken().problem(0)], ["5"])[0].outcome is None


@pytest.mark.parametrize("verifier", [None, "astrology"])
def test_a_verifier_that_does_not_exist_is_a_failure_with_its_name(verifier):
    with GroundTruth() as truth:
        verdict = truth.grade([_math("5", verifier)], ["5"])[0]
    assert verdict.failure == "unsupported"
    assert verifier is None or verifier in verdict.detail


def test_lists_of_different_length_are_refused():
    with GroundTruth() as truth, pytest.raises(ValueError, match="1 problems but 2 responses"):
        truth.grade([_math("5")], ["5", "6"])
