"""Second opinions: they agree with the first on honest answers and near misses, and each planted fault is seen."""

from __future__ import annotations

import pytest

from ponder.problems.families.arithmetic import Arithmetic
from ponder.problems.families.cipher import Cipher
from ponder.problems.families.countdown import Countdown
from ponder.types import Key, Problem, Question, Verdict
from ponder.verifiers.rules.mathematics.numeric import agree
from ponder.verifiers.second_opinion import disagreements, second_opinion
from ponder.verifiers.truth import GroundTruth

FAMILIES = (Arithmetic(), Cipher(), Countdown())


@pytest.mark.parametrize(
    ("gold", "answer", "expected"),
    [
        ("1/2", "0.5", True),
        (r"\frac{1}{2}", r"\frac12", True),
        ("x^2-1", "(x-1)(x+1)", True),
        ("x^2-1", "(x-1)(x+2)", False),
        (r"\sqrt{8}", r"2\sqrt{2}", True),
        (r"\frac{\pi}{4}", "0.785398", False),
        (r"\sin(x)^2+\cos(x)^2", "1", True),
        ("(1,2)", "(2,1)", False),
        ("1,2", "2,1", True),
        ("5", "x=5", True),
        ("1,000", "1000", True),
        ("1.00000000000000000001", "1", False),
        ("2^{10}", "1024", True),
        ("5!", "120", True),
        ("east", "west", None),
        (r"2\frac{1}{2}", "5/2", None),
        ("1/0", "1", None),
        ("9^9^9^9", "1", None),
        ("(" * 300 + "1" + ")" * 300, "1", None),
        ("", "1", None),
    ],
)
def test_values_agree_differ_or_cannot_be_read(gold: str, answer: str, expected: bool | None) -> None:
    assert agree(gold, answer) is expected


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.name)
def test_families_and_their_second_check_agree_on_answers_and_near_misses(family: Arithmetic) -> None:
    problems = [family.problem(i) for i in range(30)]
    pairs = [(p, family.demonstration(p, 0)) for p in problems]
    pairs += [(p, text) for p in problems for text in [*family.near_misses(p), *family.equivalents(p)]]
    asked, said = [p for p, _ in pairs], [text for _, text in pairs]
    with GroundTruth({family.name: family}) as truth:
        compared, found = disagreements(asked, said, truth.grade(asked, said))
    assert compared[family.name] >= 0.8 * len(pairs)  # "3 or 4" has no value to compare
    assert found == []


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.name)
def test_a_grader_that_accepts_everything_is_seen(family: Arithmetic) -> None:
    problems = [family.problem(i) for i in range(10)]
    wrong = [family.near_misses(p)[0] for p in problems]
    _, found = disagreements(problems, wrong, [Verdict(outcome=1.0)] * 10)
    assert len(found) == 10 and found[0].key == problems[0].key.answer and found[0].second == 0.0


def problem(answer: str | None, **data: object) -> Problem:
    return Problem(Question("q", "any", "?"), Key(answer, data))


def test_mathematics_is_checked_by_numbers() -> None:
    opinion = second_opinion(problem("x^2-1", verifier="math"), r"so \boxed{(x-1)(x+1)}")
    assert opinion is not None and (opinion.check, opinion.outcome) == ("numeric", 1.0)
    either = second_opinion(problem("3", verifier="math"), r"\boxed{3} or \boxed{5}")
    assert either is not None and either.outcome == 0.0


def test_constraints_are_read_the_other_way() -> None:
    constraint = [{"id": "punctuation:no_comma", "kwargs": {}}]
    strict = problem(None, verifier="constraints", constraints=constraint)
    text = "Sure, here it is:\nNo commas in here"
    found = second_opinion(strict, text)
    assert found is not None and (found.check, found.outcome) == ("loose reading", 1.0)
    with GroundTruth() as truth:
        assert len(disagreements([strict], [text], truth.grade([strict], [text]))[1]) == 1


def test_programs_have_no_second_check_and_failures_are_not_compared() -> None:
    assert second_opinion(problem(None, verifier="code"), "def f(): pass") is None
    compared, found = disagreements([problem("7")], ["8"], [Verdict(failure="timeout")])
    assert not compared and found == []
