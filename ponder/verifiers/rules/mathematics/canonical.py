r"""One spelling for all answers that are equal: the class of an answer in a vote.

A function of the answer alone, so the classes are transitive and do not depend on which answer came first. It follows
the grader where the grader's rules are transitive, and decides where they are not: units, percent and money signs are
dropped (5 cm, 5), `x =` is dropped, `x=1, y=2` is the pair (1, 2), an equation that is linear in y is solved for y.
Formulas are told apart by their values at fixed points, to 25 digits (see `numeric`); a number is written as a
fraction or as a decimal. What cannot be read is its own text.
"""

from __future__ import annotations

import math
import re
from fractions import Fraction
from functools import lru_cache
from typing import Any

from ponder.verifiers.rules.mathematics import numeric, units
from ponder.verifiers.rules.mathematics.bounded import CONTEXT, as_complex
from ponder.verifiers.rules.mathematics.exact import rational
from ponder.verifiers.rules.mathematics.extraction import extract
from ponder.verifiers.rules.mathematics.input_limits import RefusedError, check
from ponder.verifiers.rules.mathematics.names import is_name
from ponder.verifiers.rules.mathematics.notation import compact, normalise
from ponder.verifiers.rules.mathematics.structure import Shape, base_number, read, words

LONGEST = 2_000  # characters of an answer that is read; a longer one is its own text
DIGITS = 25
_CLOSE = CONTEXT.mpf(10) ** -32
_PARTS = 200


def canonical(response: str) -> str | None:
    """The class of the answer of a whole response; None if it gives none. Never looks at a key."""
    found = extract(response)
    if not found.answers:
        return None
    classes = sorted({form(answer) for answer in found.answers})
    if len(classes) == 1:
        return classes[0]
    return form(found.listed) if found.listed is not None else " or ".join(classes)


@lru_cache(maxsize=8192)
def form(answer: str) -> str:
    """The class of one answer."""
    plain = " ".join(answer.split())
    if len(answer) > LONGEST:
        return plain
    try:
        check(answer)
    except RefusedError:
        return plain
    text = normalise(answer)
    return _shape(read(text)) if text else plain


def _shape(shape: Shape) -> str:
    parts = shape.parts[:_PARTS]
    if shape.kind in ("list", "choice"):
        return _several(shape, parts)
    if shape.kind == "union":
        return " U ".join(sorted(_shape(part) for part in parts))
    if shape.kind == "matrix":
        return f"[{'; '.join(', '.join(_shape(cell) for cell in row.parts) for row in parts)}]"
    if shape.kind == "tuple":
        return f"{shape.marks[:1]}{', '.join(map(_shape, parts))}{shape.marks[1:]}"
    if shape.kind == "equation":
        return _equation(parts)
    if shape.kind == "relation":
        return f" {shape.marks} ".join(map(_shape, parts)) if len(parts) == 2 else compact(shape.text)
    return _value(shape.text)


def _several(shape: Shape, parts: tuple[Shape, ...]) -> str:
    names = [part.parts[0].text if part.kind == "equation" and len(part.parts) == 2 else "" for part in parts]
    classes = [_shape(part) for part in parts]
    if len(parts) > 1 and all(re.fullmatch("[a-z]", name) for name in names) and len(set(names)) == len(names):
        return f"({', '.join(one for _, one in sorted(zip(names, classes, strict=True)))})"
    if shape.kind == "choice":
        classes = list(dict.fromkeys(classes))
    return classes[0] if len(classes) == 1 else ", ".join(sorted(classes)) or "{}"


def _equation(sides: tuple[Shape, ...]) -> str:
    texts = [side.text for side in sides]
    if len(sides) == 2:
        solved = _solved_for_y(*texts)
        if solved is not None:
            return solved
    if is_name(texts[0]):
        return _sides(sides[1:])
    if len(sides) == 2 and is_name(texts[1]):
        return _shape(read(texts[0]))
    return _sides(sides) if len(sides) > 2 else _implicit(*texts)


def _sides(sides: tuple[Shape, ...]) -> str:
    classes = list(dict.fromkeys(_shape(read(side.text)) for side in sides))
    return classes[0] if len(classes) == 1 else " = ".join(classes)


def _solved_for_y(left: str, right: str) -> str | None:
    """The other side of `y = ...` for an equation that is linear in y; None for any other."""
    try:
        if "y" not in numeric.letters_in(left) | numeric.letters_in(right):
            return None
        labels = []
        for point in range(numeric.POINTS):
            zero, one, two = (_difference(left, right, point, Fraction(y)) for y in (0, 1, 2))
            slope = one - zero
            if abs(slope) < _CLOSE or abs(two - one - slope) > _CLOSE * max(abs(two), abs(one), 1):
                return None
            labels.append(_number(-zero / slope))
        return _at_points(labels)
    except numeric.UNREADABLE:
        return None


def _difference(left: str, right: str, point: int, y: Any) -> Any:
    """Left side less right side at a point, as a complex number, with `y` as given."""
    first, second = (as_complex(numeric.value(side, point, {"y": y})) for side in (left, right))
    return first - second


def _implicit(left: str, right: str) -> str:
    """An equation between formulas: its shape does not change when both sides are multiplied by a number."""
    try:
        letters = numeric.letters_in(left) | numeric.letters_in(right)
        gaps = [_difference(left, right, point, numeric.at("y", point)) for point in range(numeric.POINTS)]
        if abs(gaps[0]) < _CLOSE or not letters:
            first, second = _value(left), _value(right)
            return first if first == second else f"{first} = {second}"
        return f"0 = f({', '.join(sorted(letters))}): " + " ".join(_number(gap / gaps[0]) for gap in gaps[1:])
    except numeric.UNREADABLE:
        return f"{compact(left)} = {compact(right)}"


def _value(text: str) -> str:
    text = text.removeprefix("+").strip()
    base, plain = base_number(text), words(text)
    if base is not None or (plain is not None and not re.fullmatch("[a-z]", plain)):
        return base or plain or ""
    if ":" in text:
        return _ratio(text)
    held = units.quantity(text)
    exact = rational(held.number)
    if exact is not None:
        return _fraction(exact * held.scale)
    try:
        values = [numeric.value(held.number, point) for point in range(numeric.POINTS)]
    except numeric.UNREADABLE:
        return compact(text)
    if isinstance(values[0], Fraction):
        return _fraction(values[0] * held.scale)
    return compact(text) if held.scale != 1 else _at_points([_number(value) for value in values])


def _ratio(text: str) -> str:
    """`6:8` and `3:4` are one, and 3/4 is too; `5:1` is no 5."""
    members = [rational(part.strip()) for part in text.split(":")]
    numbers = [member for member in members if member is not None]
    if len(numbers) < len(members) or not all(numbers):
        return compact(text)
    if len(numbers) == 2 and (numbers[0] / numbers[1]).denominator > 1:
        return _fraction(numbers[0] / numbers[1])
    scaled = [number * math.lcm(*(n.denominator for n in numbers)) for number in numbers]
    return ":".join(str(int(number) // math.gcd(*map(int, scaled))) for number in scaled)


def _at_points(labels: list[str]) -> str:
    """A number, or the values of a formula at the points."""
    return labels[0] if len(set(labels)) == 1 else f"f: {' '.join(labels)}"


def _number(value: Any) -> str:
    """A number to 25 digits; a fraction with a small denominator where it is one to 32."""
    if isinstance(value, Fraction):
        return _fraction(value)
    zero, value = CONTEXT.mpf(0), CONTEXT.mpc(value)
    least = max(abs(value), CONTEXT.mpf(10) ** -20) * _CLOSE
    real, imaginary = (_real(part if abs(part) > least else zero) for part in (value.real, value.imag))
    return real if imaginary == "0" else f"{real} + {imaginary}i"


def _fraction(value: Fraction) -> str:
    """A fraction as written; in base 16 where it has too many digits to be turned into decimal ones at once."""
    if max(value.numerator.bit_length(), value.denominator.bit_length()) < 14_000:
        return str(value)
    return f"{value.numerator:#x}/{value.denominator:#x}"


def _real(value: Any) -> str:
    if abs(value) < 10**12:
        near = Fraction(CONTEXT.nstr(value, 38)).limit_denominator(10**5)
        if abs(value - CONTEXT.mpf(near.numerator) / near.denominator) <= _CLOSE * max(abs(value), 1):
            return str(near)
    return str(CONTEXT.nstr(value, DIGITS))
