r"""Whether two formulas are equal, by math-verify's LaTeX grammar and sympy. Runs only inside worker processes.

The grammar (an ANTLR parser) builds sympy objects and evaluates no Python. Decimals become exact fractions before
they are parsed, so no float appears. Equality is refuted by numbers and confirmed by algebra: the two are evaluated
to 60 digits at fixed rational points, where a relative difference above 1e-45 refutes; what is left must be proved
equal by simplification. Not provable is not equal.
"""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache
from typing import Any

from ponder.verifiers.rules.mathematics.exact import rational
from ponder.verifiers.rules.mathematics.input_limits import check_formula

DIGITS = 60
_POINTS = (Fraction(-7, 3), Fraction(5, 11), Fraction(13, 4))
_DECIMAL = re.compile(r"(\d*)\.(\d+)|(\d+)\.(?!\d)")
_REPEATING = re.compile(r"(\d*)\.(\d*)\\overline\{(\d+)\}")
_MIXED = re.compile(r"(?<![\d.{}])(\d+)\s*\\frac\{\s*(\d+)\s*\}\{\s*(\d+)\s*\}")
# What the grammar would read as something else: two numbers side by side, dots over letters, derivatives.
_MISREAD = re.compile(r"\d\.? +\.?\d|\\(?:dot|ddot|partial|ldots|dots|cdots|mathbb|approx|sim|to|mid)(?![A-Za-z])|\.\.")
# Braces round a single digit change nothing where the exponent ends anyway, and cost the parser a third of its time.
_BRACED_DIGIT = re.compile(r"\^\{(\d)\}(?=\s*(?:[-+)=]|$))")
_DEGREES = re.compile(r"(\d+(?:\.\d+)?)\s*\^\{\\circ\}")


class UnreadableError(ValueError):
    """The grammar does not know this text."""


def prepare() -> None:
    """Import and warm up what the first comparison would otherwise pay for."""
    equal(r"\frac{x}{2}+\sqrt{3}", r"\sqrt{3}+\frac{x}{2}")


@lru_cache(maxsize=64)
def parse(text: str) -> Any:
    """A sympy expression; `i` is the imaginary unit. Raises UnreadableError or guard.RefusedError."""
    import sympy

    check_formula(text)
    latex2sympy, ConversionConfig = _grammar()
    text = _DEGREES.sub(r"\\frac{\1\\pi}{180}", text)
    text = re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", text)
    text = re.sub(r"(?<![\d.])(\d{1,3}(?: \d{3})+)(?![\d ])", lambda match: match.group().replace(" ", ""), text)
    text = _DECIMAL.sub(_fraction, _REPEATING.sub(_repeating, text))
    text = _BRACED_DIGIT.sub(r"^\1", _MIXED.sub(r"(\1+\\frac{\2}{\3})", text))
    if not text.strip() or _MISREAD.search(text) or re.search(r"\\text|\\\$|%|[#&\"';?@_]\s*$", text):
        raise UnreadableError(text[:60])
    try:
        expression = latex2sympy(
            text,
            is_real=True,
            convert_degrees=False,
            normalization_config=None,
            conversion_config=ConversionConfig(interpret_as_mixed_fractions=False, lowercase_symbols=False),
        )
    except (MemoryError, RecursionError):
        raise
    except Exception as error:  # the grammar raises bare Exception for what it cannot read
        raise UnreadableError(text[:60]) from error
    if not isinstance(expression, sympy.Expr):
        raise UnreadableError(text[:60])
    return expression.subs({symbol: sympy.I for symbol in expression.free_symbols if symbol.name in "iI"}).doit()


@lru_cache(maxsize=1)
def _grammar() -> tuple[Any, Any]:
    r"""The grammar and its settings, with the one rule changed that has no setting.

    It adds a whole number and a rational that stand side by side, so `2(3)` is 5 to it and `3\sqrt{4}` too. Here they
    are multiplied; mixed numbers are made sums before they are parsed.
    """
    from latex2sympy2_extended import latex2sympy, latex2sympy2

    converter = latex2sympy2._Latex2Sympy  # noqa: SLF001 - no setting reaches it
    original = converter.convert_postfix_list

    def product(self: Any, factors: Any, first: int = 0) -> Any:
        found = self.convert_postfix(factors[first])
        if isinstance(found, list) or first == len(factors) - 1:
            return original(self, factors, first)
        other = product(self, factors, first + 1)
        matrices = any(getattr(side, "is_Matrix", False) for side in (found, other))
        return self.mat_mul_flat(found, other) if matrices else self.mul_flat(found, other)

    converter.convert_postfix_list = product
    return latex2sympy, latex2sympy2.ConversionConfig


def _fraction(match: re.Match[str]) -> str:
    whole, decimals, only = match.groups()
    return f"({only})" if only else rf"\frac{{{whole}{decimals}}}{{1{'0' * len(decimals)}}}"


def _repeating(match: re.Match[str]) -> str:
    value = rational(match.group())
    return match.group() if value is None else rf"\frac{{{value.numerator}}}{{{value.denominator}}}"


def equal(gold: str, answer: str) -> bool:
    """Whether two formulas have the same value for all values of their variables."""
    return same(parse(gold), parse(answer))


def proportional(gold: tuple[str, str], answer: tuple[str, str]) -> bool:
    """Whether two equations say the same: one's difference of sides is a constant non-zero multiple of the other's."""
    import sympy

    first = parse(gold[0]) - parse(gold[1])
    second = parse(answer[0]) - parse(answer[1])
    if first.free_symbols != second.free_symbols or not first.free_symbols:
        return False
    ratio = sympy.cancel(sympy.together(first / second))
    return bool(ratio.is_number and ratio.is_finite and not ratio.is_zero)


def same(first: Any, second: Any) -> bool:
    """Refute by numbers, else prove."""
    if first == second:
        return not first.has(*_undefined())
    if (first.is_Rational and second.is_Rational) or first.has(*_undefined()) or second.has(*_undefined()):
        return False
    return not _refuted(first, second) and _proved(first - second)


def _undefined() -> tuple[Any, Any]:
    import sympy

    return (sympy.nan, sympy.zoo)


def _refuted(first: Any, second: Any) -> bool:
    """Whether the two differ at one of the points. A point where either has no finite value says nothing."""
    import sympy

    symbols = sorted(first.free_symbols | second.free_symbols, key=str)
    for shift in range(len(_POINTS) if symbols else 1):
        at = {
            symbol: sympy.Rational(point.numerator, point.denominator) + index // len(_POINTS)
            for index, symbol in enumerate(symbols)
            for point in [_POINTS[(index + shift) % len(_POINTS)]]
        }
        left, right = (sympy.N(value.subs(at), DIGITS) for value in (first, second))
        if not (left.is_number and right.is_number and left.is_finite and right.is_finite):
            continue
        if abs(left - right) > sympy.Float("1e-45") * max(abs(left), abs(right)):
            return True
    return False


def _proved(difference: Any) -> bool:
    import sympy

    if sympy.expand(difference) == 0 or sympy.simplify(difference) == 0:
        return True
    return difference.is_number is True and difference.equals(0) is True
