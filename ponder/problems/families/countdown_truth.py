"""Whether a target is within reach: of some numbers, and of what a countdown response has written so far."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import lru_cache

from ponder.problems.families.expressions import ExpressionError, evaluate

_EQUATION = re.compile(r"(-?\d{1,12})([-+*/])(-?\d{1,12})=(-?\d{1,12})")
_MOST_SEARCHED = 5  # numbers; six take seconds
Numbers = tuple[Fraction, ...]


def can_still_hit(thinking: str, numbers: Sequence[int], target: int) -> bool:
    """Whether no finished line claims a hit that is none, and the begun one (if any) can still reach the target."""
    *lines, begun = thinking.split("\n")
    return not any(is_false_hit(line, numbers, target) for line in lines) and _can_go_on(begun, numbers, target)


def is_false_hit(line: str, numbers: Sequence[int], target: int) -> bool:
    """`6*3=18,18*1=18|18!` marks a hit; it is one if the numbers are there, the results right and nothing left over."""
    equations, _, verdict = line.partition("|")
    if not verdict.endswith("!"):
        return False
    left = combined(equations.split(","), numbers)
    return verdict != f"{target}!" or left is None or list(left) != [Fraction(target)]


def _can_go_on(begun: str, numbers: Sequence[int], target: int) -> bool:
    equations, bar, _ = begun.partition("|")
    if bar:
        return not is_false_hit(begun, numbers, target)
    # What stands after the last comma may still change.
    left = combined(equations.split(",")[:-1], numbers)
    return left is not None and reachable(left, target)


def combined(equations: Sequence[str], numbers: Sequence[int]) -> Numbers | None:
    """The numbers left after these equations, sorted; None if one is false or uses a number that is not there."""
    left = [Fraction(n) for n in numbers]
    for equation in equations:
        found = _EQUATION.fullmatch(equation.strip())
        if found is None:
            return None
        first, operator, second, result = found.groups()
        try:
            value = evaluate(f"({first}){operator}({second})")
            left.remove(Fraction(first))
            left.remove(Fraction(second))
        except (ExpressionError, ValueError):
            return None
        if value != Fraction(result):
            return None
        left.append(value)
    return tuple(sorted(left))


def reachable(numbers: Sequence[Fraction | int], target: int) -> bool:
    """Whether + - * / can combine all the numbers, each once, to the target.

    More than five numbers are taken to reach it: a search would take long and nearly always say yes.
    """
    if len(numbers) > _MOST_SEARCHED:
        return True
    return _reaches(tuple(sorted(map(Fraction, numbers))), Fraction(target))


@lru_cache(maxsize=1 << 16)
def _reaches(numbers: Numbers, target: Fraction) -> bool:
    if len(numbers) == 1:
        return numbers[0] == target
    return any(_reaches(rest, target) for rest in _combinations(numbers))


def _combinations(numbers: Numbers) -> Iterator[Numbers]:
    for i, a in enumerate(numbers):
        for j, b in enumerate(numbers[:i]):
            rest = numbers[:j] + numbers[j + 1 : i] + numbers[i + 1 :]
            values = {a + b, a - b, b - a, a * b}
            values |= {x / y for x, y in ((a, b), (b, a)) if y}
            for value in values:
                yield tuple(sorted((*rest, value)))
