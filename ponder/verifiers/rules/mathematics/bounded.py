"""Arithmetic with exact fractions and complex numbers of 40 digits, in bounds: what would be large is refused."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import mpmath

Number = Fraction | Any  # a Fraction, or a complex number of `CONTEXT`
CONTEXT = mpmath.mp.clone()
CONTEXT.dps = 40
MOST_BITS = 20_000  # of an exact power; larger ones are not computed
LARGEST = 40_000  # binary exponent of a value
MOST_FACTORIAL = 400


class UnreadError(ValueError):
    """The text is not a formula that this reading knows."""


def as_complex(number: Number) -> Any:
    """A number as a complex one of the context; refuses what is too large to go on with."""
    if isinstance(number, Fraction):
        return CONTEXT.mpc(CONTEXT.mpf(number.numerator) / number.denominator)
    if not CONTEXT.isfinite(number) or (number != 0 and abs(CONTEXT.mag(number)) > LARGEST):
        raise UnreadError("a value out of bounds")
    return CONTEXT.mpc(number)


def plus(a: Number, b: Number) -> Number:
    return a + b if isinstance(a, Fraction) and isinstance(b, Fraction) else as_complex(as_complex(a) + as_complex(b))


def times(a: Number, b: Number) -> Number:
    return a * b if isinstance(a, Fraction) and isinstance(b, Fraction) else as_complex(as_complex(a) * as_complex(b))


def over(a: Number, b: Number) -> Number:
    return a / b if isinstance(a, Fraction) and isinstance(b, Fraction) else as_complex(as_complex(a) / as_complex(b))


def raised(base: Number, power: Number) -> Number:
    if isinstance(base, Fraction) and isinstance(power, Fraction) and power.denominator == 1:
        bits = max(base.numerator.bit_length(), base.denominator.bit_length())
        if abs(power) * bits > MOST_BITS:
            raise UnreadError("a large power")
        return Fraction(base ** int(power))
    under, raised = as_complex(base), as_complex(power)
    if abs(raised) * max(abs(CONTEXT.mag(under)) if under != 0 else 0, 1) > LARGEST:
        raise UnreadError("a large power")
    return as_complex(under**raised)


def factorial(n: Number) -> Number:
    if not isinstance(n, Fraction) or n.denominator != 1 or not 0 <= n <= MOST_FACTORIAL:
        raise UnreadError("a factorial")
    return Fraction(math.factorial(int(n)))


def binomial(n: Number, k: Number) -> Number:
    if not all(isinstance(x, Fraction) and x.denominator == 1 and 0 <= x <= MOST_FACTORIAL for x in (n, k)):
        raise UnreadError("a binomial of more than numbers")
    return Fraction(math.comb(int(n), int(k)))
