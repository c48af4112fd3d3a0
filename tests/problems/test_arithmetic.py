"""Arithmetic: values by hand and by another evaluator, who is accepted and who is not."""

from __future__ import annotations

import ast
import operator
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ponder.problems.families.arithmetic import Arithmetic
from ponder.types import Key, PonderError, Problem, Question

OPERATORS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul}


def value_by_python_syntax(text: str) -> int:
    """An independent evaluation: Python's own parser decides precedence."""

    def value(node: ast.expr) -> int:
        if isinstance(node, ast.Constant):
            assert isinstance(node.value, int)
            return node.value
        if isinstance(node, ast.UnaryOp):
            return -value(node.operand)
        assert isinstance(node, ast.BinOp)
        result: int = OPERATORS[type(node.op)](value(node.left), value(node.right))
        return result

    return value(ast.parse(text, mode="eval").body)


def asked(expression: str, answer: str) -> Problem:
    return Problem(Question("x", "arithmetic", f"Compute {expression}."), Key(answer, {"expression": expression}))


@settings(deadline=None)
@given(terms=st.integers(2, 12), index=st.integers(0, 10**6), seed=st.integers(0, 99))
def test_the_key_is_the_value_by_another_evaluator(terms: int, index: int, seed: int) -> None:
    problem = Arithmetic(terms=terms).problem(index, seed=seed)
    expression = problem.question.text.removeprefix("Compute ").removesuffix(".")
    assert problem.key.data["expression"] == expression
    assert problem.key.answer == str(value_by_python_syntax(expression))
    assert len(expression.replace("-", "+").replace("*", "+").split("+")) == terms


def test_a_careful_demonstration_reduces_products_first_and_ends_with_the_value() -> None:
    problem = asked("3*9+7-6*8+5", "-9")
    shown = {Arithmetic().demonstration(problem, seed) for seed in range(60)}
    assert "27+7-6*8+5\n27+7-48+5\n34-48+5\n-14+5\n-9\n</think>-9" in shown
    assert "</think>-9" in shown


def test_every_line_of_a_demonstration_has_the_value_of_the_expression() -> None:
    family = Arithmetic(terms=8)
    for index in range(30):
        problem = family.problem(index)
        shown = family.demonstration(problem, index)
        assert family.grade(problem, shown).outcome == 1.0
        for line in shown.split("</think>")[0].split():
            assert value_by_python_syntax(line) == int(problem.key.answer or "")


@pytest.mark.parametrize("answer", ["-9", " -9 \n", "-09", "<think>\n1\n</think>-9", "<think>8</think>8</think>-9"])
def test_the_same_integer_is_accepted(answer: str) -> None:
    assert Arithmetic().grade(asked("1-10", "-9"), answer).outcome == 1.0


@pytest.mark.parametrize(
    "answer", ["", "9", "-9.0", "--9", "-9 or 9", "1-10", "<think>\n-9", "-9</think>", "−9", "-9" + "0" * 100, "٩"]
)
def test_anything_else_is_refused_and_never_a_failure(answer: str) -> None:
    verdict = Arithmetic().grade(asked("1-10", "-9"), answer)
    assert (verdict.outcome, verdict.failure) == (0.0, None)


def test_a_plus_sign_is_accepted_and_other_digits_are_not() -> None:
    assert Arithmetic().grade(asked("4+5", "9"), "+9").outcome == 1.0
    assert Arithmetic().grade(asked("4+5", "9"), "٩").outcome == 0.0


def test_two_products_never_follow_each_other() -> None:
    family = Arithmetic(terms=20)
    for index in range(50):
        operators = [c for c in family.problem(index).key.data["expression"] if c in "+-*"]
        assert "**" not in "".join(operators)


def test_levels_are_terms_and_out_of_range_is_refused() -> None:
    assert Arithmetic(largest=99).at_level(9) == Arithmetic(terms=9, largest=99)
    with pytest.raises(PonderError, match="terms=41; allowed are 2 to 40"):
        Arithmetic(terms=41)
    with pytest.raises(PonderError, match="largest=3; allowed are 4 to 999"):
        Arithmetic(largest=3)


def test_the_global_random_state_is_neither_read_nor_changed() -> None:
    random.seed(1)
    one, state = Arithmetic().problem(3), random.getstate()
    random.seed(2)
    assert Arithmetic().problem(3) == one
    random.setstate(state)
    Arithmetic().problem(4)
    assert random.getstate() == state
