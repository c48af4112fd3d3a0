"""Countdown: exact fractions, every number once, hostile answers, and demonstrators who never claim a false hit."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ponder.problems.families.countdown import Countdown, check
from ponder.types import Key, PonderError, Problem, Question


def asked(numbers: list[int], target: int) -> Problem:
    return Problem(Question("x", "countdown", ""), Key(None, {"numbers": numbers, "target": target}))


@pytest.mark.parametrize(
    ("answer", "numbers", "target"),
    [
        ("(6*3)*1", [3, 6, 1], 18),
        ("3 × 6 ÷ 1", [3, 6, 1], 18),
        ("3*6/1 = 18", [3, 6, 1], 18),
        ("8/(3-8/3)", [3, 3, 8, 8], 24),  # only exact fractions get this right
        ("6/(1-3/4)", [1, 3, 4, 6], 24),
        ("1/3*3", [1, 3, 3], 1),
        ("-(1-10)", [1, 10], 9),
        ("((7))+((5))", [5, 7], 12),
    ],
)
def test_an_expression_with_the_numbers_and_the_value_is_accepted(answer: str, numbers: list[int], target: int) -> None:
    assert check(answer, numbers, target)[0]
    assert Countdown().grade(asked(numbers, target), f"<think>\nno\n</think>{answer}").outcome == 1.0


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("6*3", "uses"),  # one number unused
        ("6*3*1*1", "uses"),  # one used twice
        ("18", "uses"),
        ("6+3+1", "makes 10"),
        ("6/(1-1)*3", "division by zero"),
        ("6*3/(1-1)", "division by zero"),
        ("63-1", "uses"),  # digits run together
        ("6 3 * 1", "unexpected"),
        ("6**3**1", "unexpected"),
        ("6*3*1;18", "unexpected"),
        ("6*3*1\n18", "unexpected"),
        ("__import__('os').system('true')", "unexpected"),
        ("6*3*(1", "not closed"),
        ("6*3*1)", "unexpected"),
        ("6*3*", "stops"),
        ("６*3*1", "unexpected"),
        ("6*3*1#", "unexpected"),
        ("(lambda: 18)()", "unexpected"),
        ("6*3*1==18", "claims"),
        ("9**9**9**9", "unexpected"),
        ("(" * 300, "parentheses"),
        ("-" * 300 + "6*3*1", "parentheses or signs"),
        ("1" * 500, "characters"),
    ],
)
def test_everything_else_is_refused_with_a_reason(answer: str, why: str) -> None:
    right, detail = check(answer, [3, 6, 1], 18)
    assert not right
    assert re.search(why, detail)
    verdict = Countdown().grade(asked([3, 6, 1], 18), answer)
    assert (verdict.outcome, verdict.failure) == (0.0, None)


@settings(max_examples=50, deadline=None)
@given(numbers=st.integers(2, 5), index=st.integers(0, 10**6))
def test_every_problem_has_a_solution_in_range(numbers: int, index: int) -> None:
    family = Countdown(numbers=numbers)
    problem = family.problem(index)
    given_numbers, target = problem.key.data["numbers"], problem.key.data["target"]
    assert len(given_numbers) == numbers
    assert 1 <= target <= family.target
    assert problem.question.text == f"Make {target} from {', '.join(map(str, given_numbers))}."
    assert check(problem.key.answer or "", given_numbers, target)[0]


def test_demonstrations_calculate_right_and_mark_exactly_the_hits() -> None:
    family = Countdown()
    for index in range(40):
        problem = family.problem(index)
        *tries, last = family.demonstration(problem, index).replace("</think>", "").split("\n")
        hits = []
        for line in tries:
            work, said = line.split("|")
            for equation in work.split(","):
                left, value = equation.split("=")
                a, sign, b = re.fullmatch(r"(\d+)([-+*])(\d+)", left).groups()  # type: ignore[union-attr]
                assert {"+": int(a) + int(b), "-": int(a) - int(b), "*": int(a) * int(b)}[sign] == int(value)
            assert said.rstrip("!") == str(problem.key.data["target"])
            assert said.endswith("!") == (value == said.rstrip("!"))
            hits.append(said.endswith("!"))
        assert not any(hits[:-1])  # a hit ends the search
        assert family.grade(problem, last).outcome == float(hits[-1])


def test_a_demonstrator_of_three_numbers_has_a_ceiling_that_leaves_room() -> None:
    family = Countdown()
    right = sum(
        family.grade(problem, family.demonstration(problem, 0)).outcome or 0.0
        for problem in (family.problem(i) for i in range(400))
    )
    # 38 % was seen with up to six tries; four standard deviations of 400 draws are ten points.
    assert 0.2 < right / 400 < 0.6


def test_the_order_of_numbers_does_not_make_a_new_problem() -> None:
    found: dict[tuple[tuple[int, ...], int], str] = {}
    for split in ("train", "validation", "test"):
        for index in range(300):
            data = Countdown(numbers=2, largest=6).problem(index, split=split).key.data
            assert found.setdefault((tuple(sorted(data["numbers"])), data["target"]), split) == split


def test_out_of_range_is_refused() -> None:
    assert Countdown(largest=20).at_level(5) == Countdown(numbers=5, largest=20)
    for make in (lambda: Countdown(numbers=9), lambda: Countdown(largest=1), lambda: Countdown(target=5)):
        with pytest.raises(PonderError, match="allowed are"):
            make()
