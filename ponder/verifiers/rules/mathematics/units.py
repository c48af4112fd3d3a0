r"""Units, percent signs, money, degrees and words of scale round a number.

A unit that only one side names is ignored. Two units of measure that both sides name must be the same one (5 cm is
not 5 m); nothing is converted. Names of things (students, apples) are no measure and are ignored.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from ponder.verifiers.rules.mathematics.finding.vocabulary import word_set

_NAMES = {
    "mm": "millimeter millimetre", "cm": "centimeter centimetre", "m": "meter metre", "km": "kilometer kilometre",
    "in": "inch inches", "ft": "foot feet", "yd": "yard", "mi": "mile", "mph": "mph", "s": "second sec",
    "min": "minute", "h": "hour hr", "day": "day", "week": "week", "month": "month", "year": "year yr",
    "mg": "milligram", "g": "gram gm", "kg": "kilogram", "lb": "pound lbs", "oz": "ounce", "ml": "milliliter",
    "l": "liter litre", "gal": "gallon", "dollar": "dollar usd bucks", "cent": "cent", "euro": "euro",
    "percent": "percent %", "degree": "degree deg", "radian": "radian rad", "am": "a.m.", "pm": "p.m.", "unit": "unit",
}  # fmt: skip
_MEASURES = {word: unit for unit, words in _NAMES.items() for word in (unit, *words.split())}
_RATES = {"mi/h": "mph"}
_POWERS = {"square": "2", "squared": "2", "sq": "2", "cubic": "3", "cubed": "3", "cu": "3"}
_TENS = ["twent", "thirt", "fort", "fift", "sixt", "sevent", "eight", "ninet"]
_ORDINALS = {
    "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7, "eighth": 8, "ninth": 9, "tenth": 10, "eleventh": 11,
    "twelfth": 12, "thirteenth": 13, "fourteenth": 14, "fifteenth": 15, "sixteenth": 16, "seventeenth": 17,
    "eighteenth": 18, "nineteenth": 19, **{f"{stem}ieth": 10 * (2 + i) for i, stem in enumerate(_TENS)},
    "hundredth": 100, "thousandth": 10**3, "millionth": 10**6, "billionth": 10**9, "trillionth": 10**12,
}  # fmt: skip
# Words that multiply the number before them. The plural of an ordinal divides it: 5 eighths are 5/8.
_SCALES = {
    "dozen": Fraction(12), "hundred": Fraction(100), "thousand": Fraction(10**3), "million": Fraction(10**6),
    "billion": Fraction(10**9), "trillion": Fraction(10**12), "bn": Fraction(10**9), "lakh": Fraction(10**5),
    "lac": Fraction(10**5), "crore": Fraction(10**7), "halves": Fraction(1, 2), "thirds": Fraction(1, 3),
    **{f"{word}s": Fraction(1, value) for word, value in _ORDINALS.items()},
}  # fmt: skip
# Words after a number that are no unit: what they do to the number is not ours to guess.
_NOT_UNITS = word_set(
    "is are was not no or and but if then so maybe perhaps wrong right correct incorrect plus minus times over",
    "half more less than about approximately nearly almost to except only exactly actually wait divided",
    "multiplied by factorial mod modulo base zero one two three four five six seven eight nine ten eleven twelve",
    "thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty",
    "ninety quarter quarters third halfs infinity true false undefined none oder ou point",
    "twos threes fours fives sixes sevens eights nines",
    "tens hundreds thousands",
    "millions billions trillions dozens score scores gross grand mil mill mills mille mln mn mm k g's lakhs lacs",
    "crores arab myriad myriads zillion quadrillion quintillion sextillion milliard milliards tausend millionen",
    "milliarden millones thou bps bp promille permille permil pct fold folds doubled tripled halved quadrupled",
    "negative below inverse reciprocal inverted ths cube root power exponent th nd st rd",
) - {"mm"} | set(_ORDINALS)
_UNNAMED = re.compile(r"(?<!m)(?<!b)(?<!tr)illi(?:on|ard)s?(?:ths?)?$")  # quadrillions, milliards
_TEXT_UNIT = re.compile(r"\s*\\text\s*\{([^{}]*)\}\s*(?:\^\s*\{?\s*([23])\s*\}?)?\s*$")
_WORD_UNIT = re.compile(
    r"(?:(?<=[\d})%.!])(\s*)|(?<=\\pi)(\s+))([A-Za-z][A-Za-z.]*(?:(?:[ -]|\s?/\s?)[A-Za-z][A-Za-z.]*){0,3})"
    r"\s*(?:\^\s*\{?\s*([23])\s*\}?)?$"
)
_INTEGRAL = re.compile(r"\\i*int(?![A-Za-z])")  # the dx at its end is no unit
_FUNCTION = re.compile(r"\\(?:sin|cos|tan|sec|csc|cot|arc)")  # 13 degrees inside a function are no unit of its value
_ONE_LETTER_UNITS = frozenset("mgshl")


@dataclass(frozen=True, slots=True)
class Quantity:
    """`number` (a text without its unit), the measure if one was named, and the factor of a word of scale."""

    number: str
    measure: str | None = None
    scale: Fraction = Fraction(1)


def quantity(text: str) -> Quantity:
    """Split a normalised text into number and unit; a text without a unit comes back whole."""
    text = re.sub(r"\\\$$", r" \\text{dollar}", text) if len(text) > 2 else text
    money = re.fullmatch(r"([-+]?)\s*(?:\\\$|[£¥])\s*([-+]?.+)", text)
    if money:
        rest = quantity(money.group(1) + money.group(2))
        return Quantity(rest.number, "dollar", rest.scale)
    if text.endswith("%"):
        return Quantity(text[:-1].rstrip(), "percent")
    if text.endswith(r"^{\circ}") and not _FUNCTION.search(text):
        return Quantity(text.removesuffix(r"^{\circ}").rstrip(), "degree")
    return _worded(text)


def _worded(text: str) -> Quantity:
    if _INTEGRAL.search(text):
        return Quantity(text)
    match = _TEXT_UNIT.search(text)
    if match and match.start() > 0:
        words, power = match.group(1), match.group(2)
    else:
        match = _WORD_UNIT.search(text)
        if match is None or not _may_be_unit(match.group(1) or match.group(2) or "", match.group(3)):
            return Quantity(text)
        words, power = match.group(3), match.group(4)
    parts = re.findall(r"[a-z.%$]+|/", words.lower().replace(" per cent", "percent"))
    if any(part in _NOT_UNITS or _UNNAMED.search(part) for part in parts) or (
        parts and all(part in _POWERS for part in parts)
    ):
        return Quantity(text)
    scale = Fraction(1)
    while parts and parts[0] in _SCALES:
        scale *= _SCALES[parts.pop(0)]
    return Quantity(text[: match.start()].rstrip(), _measure(parts, power), scale)


def _may_be_unit(space: str, words: str) -> bool:
    """`5k` and `2x` are products; `5 m` and `5cm` are quantities."""
    if len(words) == 1:
        return bool(space) and words in _ONE_LETTER_UNITS
    if re.fullmatch(r"[a-z]\s?/\s?[a-z]", words):
        return bool(space)
    return bool(space) or words.lower().rstrip("s") in _MEASURES


def _measure(parts: list[str], power: str | None) -> str | None:
    """`square inches`, `inches squared` and `in^2` are one measure; None for what is no measure."""
    if "/" in parts or "per" in parts:
        place = parts.index("/" if "/" in parts else "per")
        above, below = _measure(parts[:place], None), _measure(parts[place + 1 :], power)
        return None if above is None or below is None else _RATES.get(f"{above}/{below}", f"{above}/{below}")
    for part in parts:
        power = _POWERS.get(part, power)
    names = [_singular(part) for part in parts if part not in _POWERS]
    if len(names) != 1 or names[0] not in _MEASURES:
        return None
    return _MEASURES[names[0]] + (f"^{power}" if power else "")


def _singular(word: str) -> str:
    if word in _MEASURES:
        return word
    word = word.rstrip(".")
    return word if word in _MEASURES else word.removesuffix("s")


def agree(first: Quantity, second: Quantity) -> bool:
    """Whether the units allow the two to be equal: one is silent, or both say the same."""
    return first.measure is None or second.measure is None or first.measure == second.measure
