r"""Plain numbers, exactly: integers, decimals, fractions, mixed numbers, powers of ten. No floating point anywhere.

A number that is too long to compute with is compared digit by digit, so 5,000 equal digits are equal.
"""

from __future__ import annotations

import re
from fractions import Fraction

from ponder.verifiers.rules.mathematics.input_limits import LARGEST_EXPONENT, MOST_DIGITS

_DIGITS = r"(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]{1,3}(?: [0-9]{3})+|[0-9]+)"
_DECIMAL = rf"(?:{_DIGITS}(?:\.[0-9]*)?|\.[0-9]+)"
_PLAIN = re.compile(rf"([-+]?)\s*({_DIGITS})?(?:\.([0-9]*))?")
_RATIO = re.compile(
    rf"([-+]?)\s*(?:\\frac\{{\s*([-+]?{_DECIMAL})\s*\}}\{{\s*([-+]?{_DECIMAL})\s*\}}|({_DECIMAL})\s*/\s*({_DECIMAL}))"
)
_MIXED = re.compile(
    rf"([-+]?)\s*({_DIGITS})(?:\s*\\frac\{{\s*([0-9]+)\s*\}}\{{\s*([0-9]+)\s*\}}|\s+([0-9]+)\s*/\s*([0-9]+))"
)
_POWER_OF_TEN = re.compile(
    rf"([-+]?\s*{_DECIMAL})\s*(?:\\cdot\s*10\s*\^\s*\{{?\s*([-+]?[0-9]+)\s*\}}?|[eE]([-+]?[0-9]+))"
)
_POWER = re.compile(r"([-+]?)([0-9]{1,6})\s*\^\s*\{?\s*([-+]?[0-9]{1,5})\s*\}?")
_REPEATING = re.compile(r"([-+]?)([0-9]*)\.([0-9]*)\\overline\{([0-9]+)\}")
# A sum of whole numbers; the grammar needs seconds for a thousand of them.
_SUM = re.compile(r"[-+]?\s?[0-9]{1,12}(?:\s?[-+]\s?[0-9]{1,12})+")
_SIGN = {"-": -1, "+": 1, "": 1}


def digits(text: str) -> tuple[int, str, str] | None:
    """Sign, whole and decimal digits of a plain number with needless zeros and separators gone; None if not one."""
    match = _PLAIN.fullmatch(text)
    if match is None or not (match.group(2) or match.group(3)):
        return None
    whole = re.sub("[, ]", "", match.group(2) or "").lstrip("0")
    decimals = (match.group(3) or "").rstrip("0")
    return (_SIGN[match.group(1)] if whole or decimals else 1), whole, decimals


def rational(text: str) -> Fraction | None:
    """The exact value of a number as people write it; None for anything else, for n/0 and for too many digits."""
    if len(text) > MOST_DIGITS:
        return None
    if match := _PLAIN.fullmatch(text):
        return _decimal(text) if match.group(2) or match.group(3) else None
    if match := _RATIO.fullmatch(text):
        sign, top, bottom, plain_top, plain_bottom = match.groups()
        return _ratio(_SIGN[sign], _decimal(top or plain_top), _decimal(bottom or plain_bottom))
    if match := _MIXED.fullmatch(text):
        sign, whole, top, bottom, plain_top, plain_bottom = match.groups()
        part = _ratio(1, Fraction(top or plain_top), Fraction(bottom or plain_bottom))
        return None if part is None else _SIGN[sign] * (_decimal(whole) + part)
    if _SUM.fullmatch(text):
        return Fraction(sum(map(int, re.findall(r"[-+]?[0-9]+", text.replace(" ", "")))))
    return _powers(text)


def _powers(text: str) -> Fraction | None:
    if match := _POWER_OF_TEN.fullmatch(text):
        exponent = match.group(2) or match.group(3)
        if len(exponent) > 6 or abs(int(exponent)) > LARGEST_EXPONENT:
            return None
        return _decimal(match.group(1)) * Fraction(10) ** int(exponent)
    if match := _POWER.fullmatch(text):
        sign, base, exponent = match.groups()
        if abs(int(exponent)) > LARGEST_EXPONENT or (int(base) == 0 and int(exponent) <= 0):
            return None
        return _SIGN[sign] * Fraction(int(base)) ** int(exponent)
    if match := _REPEATING.fullmatch(text):
        sign, whole, decimals, period = match.groups()
        tail = Fraction(int(period), 10 ** len(decimals) * (10 ** len(period) - 1))
        return _SIGN[sign] * (_decimal(f"{whole or 0}.{decimals}") + tail)
    return None


def _decimal(text: str) -> Fraction:
    return Fraction(re.sub("[, ]", "", text).rstrip("."))


def _ratio(sign: int, top: Fraction, bottom: Fraction) -> Fraction | None:
    return None if bottom == 0 else sign * top / bottom
