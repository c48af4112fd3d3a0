"""Algebra refutes by 60 digits and confirms by proof; where the border lies is pinned here."""

from __future__ import annotations

import pytest
import sympy

from ponder.verifiers.rules.mathematics import symbolic
from ponder.verifiers.rules.mathematics.input_limits import RefusedError

X = sympy.Symbol("x", real=True)


@pytest.mark.parametrize(("exponent", "refuted"), [(30, True), (44, True), (46, False), (55, False)])
def test_a_relative_difference_above_1e_45_refutes_and_a_smaller_one_does_not(exponent, refuted):
    for value in (sympy.sqrt(2), 10**20 * sympy.pi, sympy.exp(-200)):
        assert symbolic._refuted(value, value * (1 + sympy.Rational(1, 10**exponent))) is refuted


@pytest.mark.parametrize("exponent", [30, 46, 55, 80])
def test_what_numbers_do_not_refute_must_still_be_proved(exponent):
    difference = sympy.Rational(1, 10**exponent)
    assert not symbolic.same(sympy.sqrt(2), sympy.sqrt(2) + difference)
    assert not symbolic.same(sympy.sin(X), sympy.sin(X + difference))
    assert symbolic.same(sympy.sin(X) ** 2 + difference, 1 + difference - sympy.cos(X) ** 2)


def test_functions_that_agree_at_one_point_only_are_refuted_at_another():
    at = sympy.Rational(-7, 3)  # the first point that is tried
    assert symbolic._refuted(X, 2 * X - at)
    assert not symbolic._refuted(X, (X**2 - X) / (X - 1))


def test_no_float_appears_when_decimals_are_read():
    assert symbolic.parse("0.1+0.2") == sympy.Rational(3, 10)
    assert symbolic.equal("0.1x+0.2x", "0.3x")
    assert not symbolic.equal("0.1x+0.2x", "0.30000000000000000000000000000001x")


@pytest.mark.parametrize(
    ("text", "value"),
    [("x^{2}+1", X**2 + 1), ("(x^{2})^{3}", X**6), ("x^{9}2", 2 * X**9), ("-2^{4}", -16), ("x^{12}", X**12)],
)
def test_exponents_end_where_their_braces_do(text, value):
    assert symbolic.parse(text) == value


@pytest.mark.parametrize("text", [r"\text{cat}", "", "5 %", r"\foo{", "1 +", "x &"])
def test_what_the_grammar_does_not_know_is_unreadable(text):
    with pytest.raises((symbolic.UnreadableError, RefusedError)):
        symbolic.parse(text)


def test_undefined_values_equal_nothing_not_even_themselves():
    assert not symbolic.same(sympy.nan, sympy.nan)
    assert not symbolic.same(sympy.zoo, sympy.zoo)
