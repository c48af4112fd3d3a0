"""An expression of the question's own numbers is no answer to it: "What is 15 - 5?" is not answered by "15 - 5".

It has the value that was asked for, so algebra calls it right, and a policy that is paid for it learns to repeat the
question. Only a sum, difference or product counts as one, only if the gold answer is a number and every operand stands
in the question. Fractions, powers and expressions of other numbers are left to algebra: "2^2 + 1" for 5 is right.
"""

from __future__ import annotations

import re

_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_PLAIN = re.compile(r"^\s*-?[\d,]*\.?\d+\s*$")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}\b)")
_BETWEEN = re.compile(r"^[\s()$]*(?:(?:[-+*×·−]|\\times|\\cdot)[\s()$]*)+$")


def restated(question: str, gold: str, extracted: str) -> bool:
    """Whether the answer (its last side, if it is an equation) is put together from the question's numbers alone."""
    if not _PLAIN.match(gold):
        return False
    last = _THOUSANDS.sub("", extracted.rsplit("=", 1)[-1]).strip().rstrip(".").strip("$ ")
    numbers = _NUMBER.findall(last)
    asked = set(_NUMBER.findall(_THOUSANDS.sub("", question)))
    if len(numbers) < 2 or not set(numbers) <= asked:
        return False
    before, *between, after = _NUMBER.split(last)
    return all(map(_BETWEEN.match, between)) and not before.strip("-−( $") and not after.strip(") $")
