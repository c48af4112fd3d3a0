"""Equal is equal in any form, and near is wrong."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ponder.verifiers.rules.mathematics.equivalence import GoldError, equivalent, settle
from ponder.verifiers.rules.mathematics.exact import digits, rational
from ponder.verifiers.rules.mathematics.input_limits import RefusedError, check, check_formula
from ponder.verifiers.rules.mathematics.notation import normalise

RIGHT = [
    (r"\frac{\sqrt6}3", "sqrt(6)/3"), ("70110", "70,110"), ("5", "x = 2+3 = 5"), ("y = 2x", "2x"),
    (r"1\pm\sqrt2", r"1-\sqrt2, 1+\sqrt{2}"), (r"\sin 2x", r"2\sin x\cos x"), (r"2^{2005}", r"2\cdot 2^{2004}"),
    (r"-128-128\sqrt3 i", r"-128(1+\sqrt{3}i)"), (r"\frac{1}{2004!}", "1/2004!"), ("(-\\infty, -3)", "x < -3"),
    (r"\frac{x^2}{16} - \frac{y^2}{9} = 1", "9x^2-16y^2=144"), (r"\frac{1}{\sqrt3}", r"\frac{\sqrt3}{3}"),
    (r"\{-1\} \cup [0,7)", r"[0,7) \cup \{-1\}"), ("9" * 5000, "9" * 5000), ("9" * 5000, "+" + "9" * 5000 + ".0"),
    ("5", r"\text{5}"), ("5", r"\mathbf{5}"), ("5", "\\ 5\\"), (r"\infty", r"\text{infinity}"),
    ("(1,2)", "(x,y)=(1,2)"),
    ("(1,2)", "x=1, y=2"), (r"\begin{pmatrix}1&2\end{pmatrix}", r"\left[\begin{array}{cc}1&2\end{array}\right]"),
    (r"\{1,3\} \cup \{2,4\}", r"\{1,2,3,4\}"), (r"\{1,2\}\cup\{2,3\}", "1,2,3"),
    (r"\int_0^1 x dx", r"\frac12"), (r"\mathbb{R}", r"(-\infty,\infty)"), (r"x \neq 0", r"\mathbb{R}\setminus\{0\}"),
    ("i", r"\sqrt{-1}"), (r"x \neq 3", r"x\ne 3"), (r"(-\infty,2)\cup(2,\infty)", r"x\neq 2"),
    (r"\text{B, E, G}", "G, B, E"), ("3:1", "3:1"), (r"\text{1:03 PM}", "1:03 p.m."), ("x^2=4", "4 = x^2"),
]  # fmt: skip
WRONG = [
    ("5", "5..."), ("5", r"5\ldots"), ("5", "5:1"), ("5", r"5 \text{ squared}"), ("(1,2)", "y=1, x=2"),
    ("(1,2)", "x=1, x=2"), ("(1,2)", "(x,y)=(2,1)"), ("(1,2)", "x=1"), ("x", "5"), ("i", "1"),
    (r"\{1,3\} \cup \{2,4\}", r"\{1,2,3\}"), (r"x\neq 1", r"\mathbb{R}\setminus\{0\}"),
    (r"x\neq 2", r"x\neq 3"), ("A", r"\frac{1}{2}"),
    (r"\frac{1}{2004!}", r"\frac{1}{2006!}"), ("2^{-99}", "2^{-98}"), (r"\sin x", r"\sin x + 10^{-9}"),
    (r"\sqrt{2}", "1.4142135623730950488016887242096980785696718753769"), ("9" * 5000, "9" * 4999 + "8"),
    ("5", "x"), ("5", r"\mathbb{R}"), ("5", "correct"), ("1", "True"), ("0", "None"), ("5", "nan"), ("5", "1/0"),
    (r"\infty", r"-\infty"), ("5", "5 is wrong"), ("5", "not 5"), ("11", "13_8"), ("476", "2112_6"), ("6", "2 3"),
    ("x^2", "x^3"), ("[1,2]", r"\{1,2\}"), (r"(1,2)", "[1,2]"), ("x<3", r"x\le 3"), (r"\text{Monday}", "Tuesday"),
    ("B", "C"), ("i", "-i"), ("2x", "2y"), ("y=2x", "y=3x"), (r"\begin{pmatrix}1&2\end{pmatrix}",
    r"\begin{pmatrix}2&1\end{pmatrix}"),
]  # fmt: skip


@pytest.mark.parametrize(("gold", "answer"), RIGHT)
def test_another_form_of_the_gold_answer_is_right(gold, answer):
    assert equivalent(gold, answer)


@pytest.mark.parametrize(("gold", "answer"), WRONG)
def test_a_near_miss_is_wrong(gold, answer):
    assert not equivalent(gold, answer)


@pytest.mark.parametrize("gold", [r"\input{/etc/passwd}", '__import__("os")', "(10^9)!", "", "1" * 30_000])
def test_a_gold_answer_that_cannot_be_read_is_a_failure_and_not_a_wrong_answer(gold):
    with pytest.raises(GoldError):
        equivalent(gold, r"\frac{x}{2}")


@pytest.mark.parametrize(
    "text", ["{" * 50, "a\u200bb", "a\x00", "\u202e5", "\ud800", r"\write18{ls}", "exec(1)", "x" * 20_001]
)
def test_what_is_no_mathematics_is_refused_before_it_is_read(text):
    with pytest.raises(RefusedError):
        check(text)


@pytest.mark.parametrize(
    "text", ["9^{9^{9^9}}", "10^{10^{10}}", "2^{99999}", "(10^9)!", "5000!!", "1" * 4001, "10000000!"]
)
def test_a_formula_too_dear_to_compute_is_refused(text):
    with pytest.raises(RefusedError):
        check_formula(text)


@given(st.fractions(), st.fractions())
def test_fractions_are_equal_exactly_when_their_values_are(first, second):
    gold = rf"\frac{{{first.numerator}}}{{{first.denominator}}}"
    assert equivalent(gold, str(first))
    assert rational(normalise(f"{second.numerator}/{second.denominator}")) == second
    assert (settle(str(first.numerator), [str(second.numerator)]) is True) == (first.numerator == second.numerator)


@given(st.integers(0, 10**15), st.integers(0, 10**6 - 1))
def test_a_decimal_is_its_digits_over_a_power_of_ten(whole, decimals):
    text = f"{whole:,}.{decimals:06d}"
    assert rational(text) == Fraction(whole * 10**6 + decimals, 10**6)
    assert digits(text) == digits(f"{whole}.{decimals:06d}000")


@given(st.text(alphabet=r"\{}()[]$^_fracsqt 0123456789+-*/=,.x", max_size=60))
def test_normalising_twice_is_normalising_once(text):
    once = normalise(text)
    assert normalise(once) == normalise(normalise(once))
