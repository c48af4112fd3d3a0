"""Reach a target with given numbers, each used exactly once: `Make 18 from 3, 6, 1.` Hard to find, easy to check.

A response tries combinations, one a line, writes the target beside each result and marks a hit:

    6-1=5,5*3=15|18
    3+1=4,4+6=10|18
    6*3=18,18*1=18|18!
    </think>(6*3)*1

The demonstrators search at random, check each try and go back; after every failed try they give up with a fixed
probability and answer with their last try. So a better searcher (more patient, never the same try twice, larger
numbers multiplied when the target is large) can only come out of reinforcement learning.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from ponder.problems.answers import final_answer
from ponder.problems.families.expressions import ExpressionError, evaluate, numbers_in
from ponder.problems.splits import draw
from ponder.types import Key, PonderError, Problem, Question, Verdict

INSTRUCTIONS = (
    "Use each of the given numbers exactly once, with + - * / and parentheses, to make the target. Try combinations "
    "and check each. After your thinking, answer with one expression alone."
)
GIVE_UP = 0.15
MOST_TRIES = 20

# (value, expression) of a number that is still to be used
Operand = tuple[int, str]


@dataclass(frozen=True)
class Countdown:
    """`numbers` numbers between 1 and `largest`; a target of at most `target` that at least one expression reaches."""

    numbers: int = 3
    largest: int = 12
    target: int = 150
    name: str = "countdown"

    def __post_init__(self) -> None:
        if not 2 <= self.numbers <= 8:
            raise PonderError(f"countdown: numbers={self.numbers}; allowed are 2 to 8")
        if not 4 <= self.largest <= 999:
            raise PonderError(f"countdown: largest={self.largest}; allowed are 4 to 999")
        if not 10 <= self.target <= 9999:
            raise PonderError(f"countdown: target={self.target}; allowed are 10 to 9999")

    @property
    def level(self) -> int:
        return self.numbers

    def at_level(self, level: int) -> Countdown:
        return Countdown(numbers=level, largest=self.largest, target=self.target)

    def problem(self, index: int, *, split: str = "train", seed: int = 0) -> Problem:
        stream = f"countdown/{self.numbers}/{self.largest}/{self.target}/{seed}/{index}"
        numbers, target, expression = draw(stream, split, self._item, lambda item: f"{sorted(item[0])}->{item[1]}")
        question = Question(
            id=f"countdown-{self.numbers}-{self.largest}-{self.target}-{split}-{seed}-{index}",
            family=self.name,
            text=f"Make {target} from {', '.join(map(str, numbers))}.",
            instructions=INSTRUCTIONS,
            level=self.numbers,
        )
        return Problem(question, Key(expression, {"numbers": list(numbers), "target": target}))

    def _item(self, rng: random.Random) -> tuple[tuple[int, ...], int, str] | None:
        numbers = tuple(rng.randint(1, self.largest) for _ in range(self.numbers))
        *_, (value, expression, _) = _attempt(numbers, rng)
        return (numbers, value, expression) if 1 <= value <= self.target else None

    def grade(self, problem: Problem, response: str) -> Verdict:
        text = final_answer(response)
        if text is None:
            return Verdict(outcome=0.0, detail="no answer after the thinking")
        data = problem.key.data
        right, detail = check(text, data["numbers"], data["target"])
        return Verdict(outcome=float(right), extracted=text, detail=detail)

    def equivalents(self, problem: Problem) -> list[str]:
        """Other ways to write the answer that must be accepted."""
        good, target = problem.key.answer or "", problem.key.data["target"]
        return [f"({good})", f"{good} = {target}", good.replace("*", " × ")]

    def near_misses(self, problem: Problem) -> list[str]:
        good, data = problem.key.answer or "", problem.key.data
        return [
            f"{good}={data['target'] + 1}",
            f"{good}+1",
            f"{data['target']}",
            f"({good})*1+0",
            f"<think>\n{good}\n",
            good[:-1] + "+",
            "__import__",
        ]

    def demonstration(self, problem: Problem, seed: int) -> str:
        rng = random.Random(f"demonstration/{problem.id}/{seed}")
        numbers, target = problem.key.data["numbers"], problem.key.data["target"]
        lines: list[str] = []
        while True:
            attempt = list(_attempt(numbers, rng))
            value, expression, _ = attempt[-1]
            hit = value == target
            lines.append(f"{','.join(text for *_, text in attempt)}|{target}{'!' if hit else ''}\n")
            if hit or len(lines) == MOST_TRIES or rng.random() < GIVE_UP:
                return f"{''.join(lines)}</think>{expression}"


def check(expression: str, numbers: list[int], target: int) -> tuple[bool, str]:
    """Whether `expression` uses exactly `numbers` and equals `target`, and why not. Needs no key.

    A result written behind it ("= 24") is a claim, which must be true too.
    """
    text, equals, claim = (part.strip() for part in expression.replace("×", "*").replace("÷", "/").partition("="))
    if equals and claim != str(target):
        return False, f"claims {claim or 'nothing'}, target {target}"
    try:
        value = evaluate(text)
    except ExpressionError as error:
        return False, str(error)
    if sorted(numbers_in(text)) != sorted(numbers):
        return False, f"uses {sorted(numbers_in(text))} instead of {sorted(numbers)}"
    return value == Fraction(target), f"makes {value}, target {target}"


def _attempt(numbers: tuple[int, ...] | list[int], rng: random.Random) -> Iterator[tuple[int, str, str]]:
    """Combine two random numbers until one is left; yields (value, expression, equation) after each combination.

    Only whole, non-negative intermediate results: the larger number comes first in a difference.
    """
    pool: list[Operand] = [(n, str(n)) for n in numbers]
    last: Operand | None = None
    while len(pool) > 1:
        # The result of the previous line takes part more often than not, as it does when people combine numbers.
        first = pool.pop(rng.randrange(len(pool)))
        second = pool.pop(rng.randrange(len(pool)))
        operator = rng.choice("+-*")
        if operator == "-" and first[0] < second[0]:
            first, second = second, first
        value = {"+": first[0] + second[0], "-": first[0] - second[0], "*": first[0] * second[0]}[operator]
        expression = f"{_bracket(first[1])}{operator}{_bracket(second[1])}"
        last = (value, expression)
        pool.append(last)
        yield value, expression, f"{first[0]}{operator}{second[0]}={value}"


def _bracket(expression: str) -> str:
    return expression if expression.isdigit() else f"({expression})"
