"""Formulas from examples: levels, what counts as a formula, and that fitting what is shown is not enough."""

from __future__ import annotations

import pytest

from ponder.problems.families.formula import MOST, Formula, hasty, value_of
from ponder.problems.selfcheck import check
from ponder.types import PonderError


@pytest.mark.parametrize("level", range(1, MOST + 1))
def test_every_level_proves_itself(level: int) -> None:
    report = check(Formula(level), n=12)
    assert report.ok, report.faults


@pytest.mark.parametrize(
    ("text", "n", "value"),
    [("3*n+2", 4, 14), ("n*n-7", -3, 2), ("2*(n%3)+1", 5, 5), ("n if n%2==0 else -n", 3, -3), ("-7//2", 0, -4)],
)
def test_a_formula_is_worked_out(text: str, n: int, value: int) -> None:
    assert value_of(text, n) == value


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("__import__('os')", "only whole numbers"),
        ("n.real", "only whole numbers"),
        ("2.5*n", "only whole numbers"),
        ("n**n", "only whole numbers"),
        ("m", "only whole numbers"),
        ("3n", "no formula"),
        ("(" * 150 + "n", "no formula"),
        ("n+" * 200, "at most 200"),
        ("n//0", "divides by zero"),
        ("999999999*999999999", "beyond"),
    ],
)
def test_everything_else_is_refused_in_a_sentence(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        value_of(text, 3)


def test_the_detail_names_the_first_example_that_fails() -> None:
    problem = Formula(3).problem(0)
    n, value = problem.key.data["tests"][1]
    verdict = Formula(3).grade(problem, hasty(problem))
    assert verdict.outcome == 0.0 and verdict.detail.endswith(f"and not {value}")
    assert f"f({n}) is " in verdict.detail


def test_a_wrong_level_is_refused() -> None:
    with pytest.raises(PonderError, match="level=9; allowed are 1 to 7"):
        Formula(9)
