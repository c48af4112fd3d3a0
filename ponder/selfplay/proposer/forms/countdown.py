"""Proposed countdown: `Make 18 from 3, 6, 1.` Gold: a search over all expressions.

What cannot be reached is known before it is asked. The family's own problems are reached with + - * and whole,
non-negative steps; so must proposals be, for then the key holds an expression of the same kind.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from ponder.problems.families.countdown import Countdown
from ponder.selfplay.proposer.forms.form import Draft, Refused, trained
from ponder.types import Key

_PROPOSAL = re.compile(r"Make ([1-9][0-9]{0,5}) from ([1-9][0-9]{0,5}(?:, [1-9][0-9]{0,5})*)\.")
Operand = tuple[int, str]


@dataclass(frozen=True)
class CountdownForm:
    """At most `most_numbers` numbers (a search over six takes seconds) of at most `largest`."""

    family: Countdown
    most_numbers: int = 5
    largest: int = 99
    most_target: int = 999
    instructions: str = (
        "Write one new problem of this kind, neither too easy nor too hard: a target and some whole numbers from which "
        "+ - and * can make it, each number used exactly once. After your thinking, answer with the problem alone, for "
        "example: Make 18 from 3, 6, 1."
    )

    def read(self, text: str) -> Draft:
        found = _PROPOSAL.fullmatch(text.strip())
        if found is None:
            raise Refused("unparsable", text[:80])
        target, numbers = int(found[1]), tuple(int(number) for number in found[2].split(", "))
        if len(numbers) > self.most_numbers or max(numbers) > self.largest or target > self.most_target:
            raise Refused("too_large", found[0])
        if len(numbers) < 2:
            raise Refused("trivial", found[0])
        expression = reached(tuple(sorted(numbers)), target)
        if expression is None:
            raise Refused("unsolvable", found[0])
        key = Key(expression, {"numbers": list(numbers), "target": target})
        content = f"{sorted(numbers)}->{target}"  # as the family's splits have it
        return trained(Draft(found[0], key, len(numbers), content, str(sorted(numbers))))


@lru_cache(maxsize=4096)
def reached(numbers: tuple[int, ...], target: int) -> str | None:
    """An expression of all `numbers` (sorted) with the value `target`; None if there is none."""
    return _search(tuple((number, str(number)) for number in numbers), target, set())


def _search(operands: tuple[Operand, ...], target: int, failed: set[tuple[int, ...]]) -> str | None:
    """Depth first over pairs and operations; sets of numbers that failed are not tried twice."""
    if len(operands) == 1:
        return operands[0][1] if operands[0][0] == target else None
    values = tuple(sorted(value for value, _ in operands))
    if values in failed:
        return None
    for i, (a, left) in enumerate(operands):
        for j, (b, right) in enumerate(operands):
            if i == j:
                continue
            rest = tuple(operand for at, operand in enumerate(operands) if at not in (i, j))
            for value, text in _combined(a, _bracket(left), b, _bracket(right), ordered=i < j):
                found = _search((*rest, (value, text)), target, failed)
                if found is not None:
                    return found
    failed.add(values)
    return None


def _combined(a: int, left: str, b: int, right: str, *, ordered: bool) -> list[Operand]:
    """Results of one pair; sums and products in one order only, differences that are not negative."""
    both = [(a + b, f"{left}+{right}"), (a * b, f"{left}*{right}")] if ordered else []
    return [*both, (a - b, f"{left}-{right}")] if a >= b else both


def _bracket(expression: str) -> str:
    return expression if expression.isdigit() else f"({expression})"
