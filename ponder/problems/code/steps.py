"""The steps of the `code` family: what each says in words, does to a list, and looks like in Python."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate, pairwise

Numbers = list[int]


@dataclass(frozen=True)
class Step:
    """`told` to the solver, `code` for the reference (reads and sets `numbers`), `apply` for the tests."""

    told: str
    code: str
    apply: Callable[[Numbers], Numbers]


@dataclass(frozen=True)
class End:
    """The value at the end: an expression over `numbers`, and the same as a function."""

    code: str
    apply: Callable[[Numbers], int | Numbers]
    is_list: bool = False


def _fixed(told: str, code: str, apply: Callable[[Numbers], Numbers]) -> Callable[[random.Random], Step]:
    return lambda _: Step(told, f"numbers = {code}", apply)


def _with_number(
    told: str, code: str, apply: Callable[[Numbers, int], Numbers], low: int, high: int
) -> Callable[[random.Random], Step]:
    """A step with a number `k`, drawn from low to high."""

    def make(rng: random.Random) -> Step:
        k = rng.randint(low, high)
        written = code.replace("K", str(k))
        return Step(told.replace("K", str(k)), f"numbers = {written}", lambda numbers: apply(numbers, k))

    return make


def _without_repeats(numbers: Numbers) -> Numbers:
    kept: Numbers = []
    for number in numbers:
        if number not in kept:
            kept.append(number)
    return kept


def _differences(numbers: Numbers) -> Numbers:
    return [after - before for before, after in pairwise(numbers)]


# One maker a kind of step.
STEPS: tuple[Callable[[random.Random], Step], ...] = (
    _fixed("keep the even numbers", "[n for n in numbers if n % 2 == 0]", lambda a: [n for n in a if not n & 1]),
    _fixed("keep the odd numbers", "[n for n in numbers if n % 2 == 1]", lambda a: [n for n in a if n & 1]),
    _fixed("square each number", "[n * n for n in numbers]", lambda a: [n**2 for n in a]),
    _fixed("change the sign of each number", "[-n for n in numbers]", lambda a: [0 - n for n in a]),
    _fixed("take the absolute value of each number", "[abs(n) for n in numbers]", lambda a: [max(n, -n) for n in a]),
    _fixed("sort them, smallest first", "sorted(numbers)", lambda a: sorted(a)),
    _fixed("reverse their order", "numbers[::-1]", lambda a: list(reversed(a))),
    _fixed("keep only the first of equal numbers", "list(dict.fromkeys(numbers))", _without_repeats),
    _fixed("replace each by the sum of all up to it", "[sum(numbers[:i + 1]) for i in range(len(numbers))]",
           lambda a: list(accumulate(a))),
    _fixed("replace them by the differences of neighbours (the later minus the earlier)",
           "[numbers[i + 1] - numbers[i] for i in range(len(numbers) - 1)]", _differences),
    _with_number("add K to each number", "[n + K for n in numbers]", lambda a, k: [k + n for n in a], 1, 9),
    _with_number("multiply each number by K", "[n * K for n in numbers]", lambda a, k: [k * n for n in a], 2, 9),
    _with_number("keep the numbers greater than K", "[n for n in numbers if n > K]",
                 lambda a, k: [n for n in a if k < n], -6, 9),
    _with_number("keep the numbers that are at most K", "[n for n in numbers if n <= K]",
                 lambda a, k: [n for n in a if not n > k], -6, 9),
    _with_number("replace each by its remainder after division by K (never negative)", "[n % K for n in numbers]",
                 lambda a, k: [n - n // k * k for n in a], 3, 9),
    _with_number("drop the first K", "numbers[K:]", lambda a, k: [n for i, n in enumerate(a) if i >= k], 1, 3),
    _with_number("keep the first K", "numbers[:K]", lambda a, k: [n for i, n in enumerate(a) if i < k], 2, 5),
)  # fmt: skip

ENDS: dict[str, End] = {
    "the list": End("numbers", lambda a: a, is_list=True),
    "their sum": End("sum(numbers)", lambda a: sum(a)),
    "how many there are": End("len(numbers)", lambda a: len(a)),
    "the largest of them, or 0 if there is none": End("max(numbers, default=0)", lambda a: sorted(a)[-1] if a else 0),
    "the sum of the largest and the smallest, or 0 if there is none": End(
        "max(numbers) + min(numbers) if numbers else 0", lambda a: sorted(a)[0] + sorted(a)[-1] if a else 0
    ),
}
