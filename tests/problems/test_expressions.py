"""The expression reader against exact evaluation of random expression trees."""

from __future__ import annotations

import contextlib
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ponder.problems.families.expressions import ExpressionError, evaluate, numbers_in

# (text, value; None for a division by zero, how tightly it binds: 1 sum, 2 product, 3 atom)
Node = tuple[str, Fraction | None, int]


def joined(left: Node, operator: str, right: Node) -> Node:
    """`left operator right` with only the parentheses that precedence demands."""
    bind = 1 if operator in "+-" else 2
    a = left[0] if left[2] >= bind else f"({left[0]})"
    b = right[0] if right[2] > bind else f"({right[0]})"
    text = f"{a} {operator}{b}"
    if left[1] is None or right[1] is None or (operator == "/" and right[1] == 0):
        return text, None, bind
    values = {"+": left[1] + right[1], "-": left[1] - right[1], "*": left[1] * right[1]}
    return text, values[operator] if operator in values else left[1] / right[1], bind


def negated(node: Node) -> Node:
    return f"-{node[0] if node[2] == 3 else f'({node[0]})'}", None if node[1] is None else -node[1], 3


NUMBERS = st.integers(0, 50).map(lambda n: (str(n), Fraction(n), 3))
TREES = st.recursive(
    NUMBERS,
    lambda nodes: st.builds(joined, nodes, st.sampled_from("+-*/"), nodes) | nodes.map(negated),
    max_leaves=12,
)


@settings(deadline=None)
@given(TREES)
def test_value_is_exact_and_precedence_is_the_usual_one(tree: Node) -> None:
    text, value, _ = tree
    if value is None:
        with pytest.raises(ExpressionError, match="division by zero"):
            evaluate(text)
    else:
        assert evaluate(text) == value


@settings(deadline=None)
@given(st.text(max_size=60) | st.text("0123456789+-*/() .", max_size=450))
def test_any_text_has_a_value_or_is_no_expression(text: str) -> None:
    with contextlib.suppress(ExpressionError):
        assert isinstance(evaluate(text), Fraction)


@pytest.mark.parametrize(
    ("text", "value"),
    [("2+3*4", 14), ("2-3-4", -5), ("24/4/2", 3), ("1/3+1/6", Fraction(1, 2)), ("-2*-3", 6), (" ( 7 ) ", 7)],
)
def test_values_by_hand(text: str, value: Fraction) -> None:
    assert evaluate(text) == value


@pytest.mark.parametrize("text", ["", " ", "1 2", "1.5", "2^3", "1,000", "()", "+1", "a", "１", "(" * 399, "-" * 399])
def test_what_is_no_expression_is_refused(text: str) -> None:
    with pytest.raises(ExpressionError):
        evaluate(text)


def test_numbers_are_listed_as_they_stand() -> None:
    assert numbers_in("(12+3)*12-0") == [12, 3, 12, 0]
