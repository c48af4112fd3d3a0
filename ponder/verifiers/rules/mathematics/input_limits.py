"""What an answer may look like before anything reads it as mathematics.

A first, cheap line: linear in the length, no parsing. Whatever passes and is still hostile meets the limits of the
worker. Refusing here means "not an answer" (wrong); a refused gold answer is a failure of the problem.
"""

from __future__ import annotations

import re
import unicodedata

LONGEST = 20_000  # characters of an answer that may be compared at all
LONGEST_FORMULA = 2_000  # characters of an answer that is read as mathematics
DEEPEST = 40  # nested brackets
DEEPEST_FORMULA = 25  # of a formula; the grammar's time grows fast with the depth
LARGEST_EXPONENT = 10_000
LARGEST_FACTORIAL = 5_000
MOST_DIGITS = 4_000  # of one number that has to be computed with

# Commands that read, write or define, and anything that only a program would contain.
_PROGRAM = re.compile(
    r"\\(?:input|include|write|read|open|close|immediate|def|edef|gdef|let|catcode|csname|usepackage|newcommand|loop)"
    r"(?![A-Za-z])|\\write18|__|\b(?:import|lambda|eval|exec|open|getattr|globals|subprocess|sympify)\b\s*[\s(]|\bos\.|\blambda\b[^:\n]{0,40}:",
)
_EXPONENT = re.compile(r"(?:\^|\*\*)\s*[{(]?\s*[-+]?\s*(\d+)")
_POWER_IN_EXPONENT = re.compile(r"(?:\^|\*\*)[\s{(]*(\d+)[\s})]*(?:\^|\*\*)[\s{(]*(\d+)")
_FACTORIAL = re.compile(r"(\d+|[)}\]!])(?=\s*!)")
_TOWER = re.compile(r"(?:\^|\*\*)[\s{(]*[\d.]+[\s})]*(?:\^|\*\*)[\s{(]*[\d.]+[\s})]*(?:\^|\*\*)")
_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn"}


class RefusedError(ValueError):
    """A text that is not read as mathematics; the message says why."""


def check(text: str) -> None:
    """Refuse what is too long, too deep, hidden or a program. Cheap enough for every answer."""
    if len(text) > LONGEST:
        raise RefusedError(f"{len(text)} characters; at most {LONGEST} are read")
    for character in text:
        if character not in "\n\t\r" and unicodedata.category(character) in _HIDDEN:
            raise RefusedError(f"hidden character U+{ord(character):04X}")
    if nesting(text) > DEEPEST:
        raise RefusedError(f"more than {DEEPEST} nested brackets")
    if match := _PROGRAM.search(text):
        raise RefusedError(f"not mathematics: {match.group().strip()[:20]!r}")


def is_program(text: str) -> bool:
    """Whether a text is a piece of a program and no answer in words."""
    return _PROGRAM.search(text) is not None


def check_formula(text: str) -> None:
    """Refuse what would be dear to parse or compute: length, digits, exponents, factorials."""
    if len(text) > LONGEST_FORMULA:
        raise RefusedError(f"a formula of {len(text)} characters; at most {LONGEST_FORMULA} are read")
    if nesting(text) > DEEPEST_FORMULA:
        raise RefusedError(f"a formula with more than {DEEPEST_FORMULA} nested brackets")
    if re.search(rf"\d{{{MOST_DIGITS}}}", text):
        raise RefusedError(f"a number of more than {MOST_DIGITS} digits")
    if _TOWER.search(text):
        raise RefusedError("a tower of powers")
    if any(_exceeds(match.group(1), LARGEST_EXPONENT) for match in _EXPONENT.finditer(text)):
        raise RefusedError(f"an exponent above {LARGEST_EXPONENT}")
    for match in _POWER_IN_EXPONENT.finditer(text):
        if (
            len(match.group(1)) > 5
            or len(match.group(2)) > 2
            or int(match.group(1)) ** int(match.group(2)) > LARGEST_EXPONENT
        ):
            raise RefusedError(f"an exponent above {LARGEST_EXPONENT}")
    for match in _FACTORIAL.finditer(text):
        if not match.group(1).isdigit() or _exceeds(match.group(1), LARGEST_FACTORIAL):
            raise RefusedError(f"a factorial of more than a number up to {LARGEST_FACTORIAL}")


def nesting(text: str) -> int:
    """The deepest nesting of brackets of any kind."""
    depth = deepest = 0
    for character in text:
        if character in "([{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in ")]}":
            depth -= 1
    return deepest


def _exceeds(digits: str, limit: int) -> bool:
    return len(digits) > 12 or int(digits) > limit
