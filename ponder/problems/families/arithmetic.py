"""Chains of operations, worked step by step: `Compute 3*9+7-6*8+5.`.

A response writes the expression again after each reduction and ends with its value:

    27+7-6*8+5
    27+7-48+5
    34-48+5
    -14+5
    -9
    </think>-9

The demonstrations are always right but their authors differ in pace, as people do: some reduce one operation a line,
some several at once, some write the value straight away. A model that imitates them all inherits the mixture of paces,
yet can follow only the small steps reliably; which pace serves it best is for reinforcement learning to find out.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

from ponder.problems.answers import final_answer
from ponder.problems.families.stated import stated_integer
from ponder.problems.splits import draw
from ponder.types import Key, PonderError, Problem, Question, Verdict

INSTRUCTIONS = (
    "Work out the value of the expression step by step: write the expression again after each operation. "
    "After your thinking, answer with the number alone."
)
# Share of demonstrators who go one operation a line, take leaps of two or more, or answer at once.
PACES = {"careful": 0.35, "hasty": 0.35, "instant": 0.30}


@dataclass(frozen=True)
class Arithmetic:
    """`terms` numbers between 1 and `largest`, joined by + - * (never two * in a row, so products stay small)."""

    terms: int = 6
    largest: int = 9
    name: str = "arithmetic"

    def __post_init__(self) -> None:
        if not 2 <= self.terms <= 40:
            raise PonderError(f"arithmetic: terms={self.terms}; allowed are 2 to 40")
        if not 4 <= self.largest <= 999:
            raise PonderError(f"arithmetic: largest={self.largest}; allowed are 4 to 999")

    @property
    def level(self) -> int:
        return self.terms

    def at_level(self, level: int) -> Arithmetic:
        return Arithmetic(terms=level, largest=self.largest)

    def problem(self, index: int, *, split: str = "train", seed: int = 0) -> Problem:
        stream = f"arithmetic/{self.terms}/{self.largest}/{seed}/{index}"
        expression = draw(stream, split, self._expression, lambda text: text)
        question = Question(
            id=f"arithmetic-{self.terms}-{self.largest}-{split}-{seed}-{index}",
            family=self.name,
            text=f"Compute {expression}.",
            instructions=INSTRUCTIONS,
            level=self.terms,
        )
        answer = str(_value(_tokens(expression)))
        return Problem(question, Key(answer, {"expression": expression}))

    def _expression(self, rng: random.Random) -> str:
        parts = [str(rng.randint(1, self.largest))]
        previous = ""
        for _ in range(self.terms - 1):
            operator = rng.choice("+-" if previous == "*" else "+-*")
            parts += [operator, str(rng.randint(1, self.largest))]
            previous = operator
        return "".join(parts)

    def grade(self, problem: Problem, response: str) -> Verdict:
        """Right if the answer after thinking states the same integer (`stated`); zeros in front do not matter."""
        text = final_answer(response)
        if text is None:
            return Verdict(outcome=0.0, detail="no answer after the thinking")
        stated = stated_integer(text)
        if stated is None:
            return Verdict(outcome=0.0, extracted=text, detail="the answer does not end with one integer")
        return Verdict(outcome=float(stated == int(problem.key.answer or "")), extracted=str(stated))

    def equivalents(self, problem: Problem) -> list[str]:
        """Other ways to write the answer that must be accepted."""
        value = int(problem.key.answer or "")
        said = [f"So the answer is {value}.", f"1 + 1 = 2\n2 - 2 = **{value}**", f"It is \\boxed{{{value}}}, clearly"]
        return [f"{value:+d}", f"{value:05d}", f"{value}.", *said]

    def near_misses(self, problem: Problem) -> list[str]:
        """Responses that must be refused."""
        value = int(problem.key.answer or "")
        said = [
            f"It is {value} or it is {value + 1}",
            f"= {value}.5",
            f"It is not {value}",
            f"\\boxed{{x}} = {value}",
        ]
        return [str(value + 1), f"{value} or {value + 1}", f"{value}.5", "", f"<think>\n{value}\n</think>", *said]

    def demonstration(self, problem: Problem, seed: int) -> str:
        rng = random.Random(f"demonstration/{problem.id}/{seed}")
        pace = rng.choices(list(PACES), weights=list(PACES.values()))[0]
        tokens = _tokens(problem.key.data["expression"])
        lines: list[str] = []
        while pace != "instant" and len(tokens) > 1:
            for _ in range(1 if pace == "careful" else rng.randint(2, 4)):
                tokens = _reduce(tokens)
            lines.append("".join(tokens) + "\n")
        return f"{''.join(lines)}</think>{problem.key.answer}"


def reductions(problem: Problem) -> list[tuple[str, str, str]]:
    """One careful working: of each reduction the operation (`17*23`), its value, and the expression after it."""
    tokens, out = _tokens(problem.key.data["expression"]), []
    while len(tokens) > 1:
        at = tokens.index("*") if "*" in tokens else 1
        after = _reduce(tokens)
        out.append(("".join(tokens[at - 1 : at + 2]), after[at - 1], "".join(after)))
        tokens = after
    return out


def _tokens(expression: str) -> list[str]:
    """`-8+5*2` -> ['-8', '+', '5', '*', '2']; only the first number may carry a sign."""
    first = re.match(r"-?\d+", expression)
    assert first is not None, expression
    return [first.group(), *re.findall(r"[-+*]|\d+", expression[first.end() :])]


def _reduce(tokens: list[str]) -> list[str]:
    """Apply one operation: the leftmost product, else the leftmost sum. A single number stays as it is."""
    if len(tokens) == 1:
        return tokens
    at = tokens.index("*") if "*" in tokens else 1
    left, operator, right = int(tokens[at - 1]), tokens[at], int(tokens[at + 1])
    value = left * right if operator == "*" else left + right if operator == "+" else left - right
    return [*tokens[: at - 1], str(value), *tokens[at + 2 :]]


def _value(tokens: list[str]) -> int:
    while len(tokens) > 1:
        tokens = _reduce(tokens)
    return int(tokens[0])
