"""The calculator: numbers worked out by hand, and everything that is no arithmetic refused."""

from __future__ import annotations

import asyncio
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ponder.tools import Calculator, Misused


def value(text: str) -> str:
    return asyncio.run(Calculator().run(text, ()))


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("17*23", "391"),
        (" 2 + 3*4 ", "14"),
        ("(2+3)*4", "20"),
        ("7/2", "3.5"),
        ("1/3", "1/3"),
        ("-7//2", "-4"),
        ("-7 % 3", "2"),
        ("0.1+0.2", "0.3"),
        ("2^10", "1024"),
        ("2**-2", "0.25"),
        ("12×3÷4", "9"),
        ("-(-5)", "5"),
        ("10**59", "1" + "0" * 59),
        ("1/4096", "0.000244140625"),
        ("1/8192", "1/8192"),
        ("-1/4", "-0.25"),
    ],
)
def test_values(expression: str, result: str) -> None:
    assert value(expression) == result


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("", "no expression"),
        ("2+", "no arithmetic"),
        ("1/0", "division by zero"),
        ("5 % 0", "division by zero"),
        ("abs(3)", "only numbers"),
        ("__import__('os')", "only numbers"),
        ("a+1", "only numbers"),
        ("True+1", "only numbers"),
        ("'a'*9", "only numbers"),
        ("2j", "only numbers"),
        ("1e999", "too large"),
        ("2**0.5", "whole number"),
        ("9**9**9", "digits"),
        ("10**60", "digits"),
        ("2**-100000", "digits"),
        ("1" * 1001, "at most 1000"),
        ("(" * 300 + "1" + ")" * 300, "no arithmetic"),
        ("1 if 1 else 2", "only numbers"),
    ],
)
def test_what_is_no_arithmetic_is_refused(expression: str, why: str) -> None:
    with pytest.raises(Misused, match=why):
        value(expression)


@given(st.integers(-999, 999), st.integers(-999, 999), st.sampled_from("+-*"), st.integers(1, 99))
def test_it_is_exact(a: int, b: int, sign: str, c: int) -> None:
    text = f"({a}{sign}({b}))/{c}"
    exact = {"+": Fraction(a + b), "-": Fraction(a - b), "*": Fraction(a * b)}[sign] / c
    assert Fraction(value(text)) == exact
