r"""Programs in small, from examples: `f(1)=5, f(2)=8, f(4)=14. Write f(n).`, answered by `3*n+2`.

The examples in the question are the visible tests; others, at greater and smaller n, are never shown, so that a list of
cases which fits the examples fails. An answer is an expression of n in whole numbers: + - * // %, brackets, comparisons
and `a if condition else b`. It is worked out here, node by node, without running code. `level` is the kind of formula:

    1  n+b            3  a*n+b          5  a*n*n+b                7  a*n+b if n%2==0 else c*n+d
    2  a*n            4  n*n+b          6  a*(n%k)+b

Demonstrators are of uneven care: some work out differences, some look at the first example alone (`hasty`), so that
their formula fails the second. With the environment `repair` the policy reads which example fails and may try again.
Three examples are shown up to level 5 and six beyond, as many as it takes to tell one formula from the others.
"""

from __future__ import annotations

import ast
import random
import re
from dataclasses import dataclass
from itertools import pairwise

from ponder.problems.answers import final_answer
from ponder.problems.splits import draw
from ponder.types import Key, PonderError, Problem, Question, Verdict

INSTRUCTIONS = (
    "Find a formula for f(n) that fits the examples and holds for all whole n. You may use whole numbers, n, + - * // "
    "%, brackets, comparisons and `a if condition else b`. After your thinking, answer with the formula alone."
)
PACES = {"careful": 0.35, "hasty": 0.65}
MOST, _FEW, _LINEAR = 7, 5, 3
HIDDEN = 5
_LONGEST, _LARGEST = 200, 10**9
_GROWN = re.compile(r"\d[^\W\d]")


@dataclass(frozen=True)
class Formula:
    """A formula of one number from examples of what it gives, graded on numbers that were not shown."""

    level: int = 3
    name: str = "formula"

    def __post_init__(self) -> None:
        if not 1 <= self.level <= MOST:
            raise PonderError(f"formula: level={self.level}; allowed are 1 to {MOST}")

    def at_level(self, level: int) -> Formula:
        return Formula(level=level)

    def problem(self, index: int, *, split: str = "train", seed: int = 0) -> Problem:
        stream, visible = f"formula/{self.level}/{seed}/{index}", shown(self.level)
        expression, tests = draw(stream, split, self._task, lambda task: str(task[1][:visible]))
        question = Question(
            id=f"formula-{self.level}-{split}-{seed}-{index}",
            family=self.name,
            text=f"{', '.join(f'f({n})={value}' for n, value in tests[:visible])}. Write f(n).",
            instructions=INSTRUCTIONS,
            level=self.level,
        )
        return Problem(question, Key(expression, {"tests": [list(test) for test in tests], "visible": visible}))

    def _task(self, rng: random.Random) -> tuple[str, tuple[tuple[int, int], ...]]:
        expression = _expression(self.level, rng)
        start = rng.randint(1, 4)
        inputs = [start, start + 1, start + rng.randint(2, 4)] if self.level <= _FEW else [*range(start, start + 6)]
        hidden = rng.sample([n for n in range(-6, 20) if n not in inputs], HIDDEN)
        return expression, tuple((n, value_of(expression, n)) for n in (*inputs, *hidden))

    def grade(self, problem: Problem, response: str) -> Verdict:
        """Right if the formula gives what the tests of the key say; `detail` names the first that fails."""
        text = final_answer(response)
        if text is None:
            return Verdict(outcome=0.0, detail="no formula after the thinking")
        bare = text.strip().strip("`").strip().removeprefix("f(n)").strip().removeprefix("=").strip()
        for n, expected in problem.key.data["tests"]:
            try:
                found = value_of(bare, n)
            except ValueError as error:
                return Verdict(outcome=0.0, extracted=bare, detail=str(error))
            if found != expected:
                return Verdict(outcome=0.0, extracted=bare, detail=f"f({n}) is {found} and not {expected}")
        return Verdict(outcome=1.0, extracted=bare)

    def equivalents(self, problem: Problem) -> list[str]:
        answer = problem.key.answer or ""
        return [f"f(n) = {answer}", f"`{answer}`", f"({answer})+0", f"1*n-n+({answer})"]

    def near_misses(self, problem: Problem) -> list[str]:
        """One off, a list of cases that fits what is shown, other languages, nothing."""
        answer, tests = problem.key.answer or "", problem.key.data["tests"]
        cases = "0"
        for n, value in tests[: problem.key.data["visible"]]:
            cases = f"{value} if n=={n} else {cases}"
        return [f"{answer}+1", cases, f"lambda n: {answer}", f"print({answer})", "", f"<think>\n{answer}\n</think>"]

    def demonstration(self, problem: Problem, seed: int) -> str:
        rng = random.Random(f"demonstration/{problem.id}/{seed}")
        pace = rng.choices(list(PACES), weights=list(PACES.values()))[0]
        return careful(problem) if pace == "careful" else hasty(problem)


def careful(problem: Problem) -> str:
    """Differences from example to example, on level 3 what is left of the first, then the formula."""
    tests = problem.key.data["tests"][: problem.key.data["visible"]]
    lines = [f"{after}-{before}={after - before}\n" for (_, before), (_, after) in pairwise(tests)]
    if problem.level == _LINEAR:  # the first two numbers are neighbours, so their difference is the factor
        (n, value), (_, after) = tests[0], tests[1]
        lines.append(f"{value}-{after - value}*{n}={value - (after - value) * n}\n")
    return f"{''.join(lines)}</think>{problem.key.answer}"


def hasty(problem: Problem) -> str:
    """A formula for the first example alone: right on level 1, wrong above (but for chance)."""
    n, value = problem.key.data["tests"][0]
    return f"{value}-{n}={value - n}\n</think>{_sum('n', value - n)}"


def shown(level: int) -> int:
    """How many examples stand in the question."""
    return 3 if level <= _FEW else 6


def _expression(level: int, rng: random.Random) -> str:
    a, b = rng.randint(2, 9), rng.choice([n for n in range(-20, 21) if n])
    if level == 6:
        return _sum(f"{a}*(n%{rng.randint(2, 5)})", b)
    if level == MOST:
        return f"{_sum(f'{a}*n', b)} if n%2==0 else {_sum(f'{rng.randint(2, 9)}*n', rng.randint(1, 20))}"
    return ["", _sum("n", b), f"{a}*n", _sum(f"{a}*n", b), _sum("n*n", b), _sum(f"{a}*n*n", b)][level]


def _sum(first: str, second: int) -> str:
    return first if not second else f"{first}{second:+d}"


def value_of(expression: str, n: int) -> int:
    """What `expression` gives for `n`. ValueError with a sentence for people if it is no such formula."""
    if len(expression) > _LONGEST:
        raise ValueError(f"the formula has {len(expression)} characters; at most {_LONGEST} are read")
    if _GROWN.search(expression):  # a number grown together with a word, of which the parser warns
        raise ValueError("this is no formula")
    try:
        tree = ast.parse(expression.strip(), mode="eval")
        return int(_value(tree.body, n))
    except (SyntaxError, MemoryError, RecursionError, OverflowError):
        raise ValueError("this is no formula") from None
    except ZeroDivisionError:
        raise ValueError(f"f({n}) divides by zero") from None


_FORBIDDEN = "only whole numbers, n, + - * // %, brackets, comparisons and `a if condition else b` are understood"


def _value(node: ast.expr, n: int) -> int:
    if isinstance(node, ast.Constant) and type(node.value) is int:
        return _bounded(node.value)
    if isinstance(node, ast.Name) and node.id == "n":
        return n
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.UAdd | ast.USub):
        value = _value(node.operand, n)
        return -value if isinstance(node.op, ast.USub) else value
    if isinstance(node, ast.BinOp):
        return _bounded(_operated(node.op, _value(node.left, n), _value(node.right, n)))
    if isinstance(node, ast.IfExp):
        return _value(node.body if _value(node.test, n) else node.orelse, n)
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        return _compared(node.ops[0], _value(node.left, n), _value(node.comparators[0], n))
    raise ValueError(_FORBIDDEN)


def _operated(operator: ast.operator, left: int, right: int) -> int:
    match operator:
        case ast.Add():
            return left + right
        case ast.Sub():
            return left - right
        case ast.Mult():
            return left * right
        case ast.FloorDiv():
            return left // right
        case ast.Mod():
            return left % right
    raise ValueError(_FORBIDDEN)


def _compared(operator: ast.cmpop, left: int, right: int) -> int:
    match operator:
        case ast.Eq():
            return left == right
        case ast.NotEq():
            return left != right
        case ast.Lt():
            return left < right
        case ast.LtE():
            return left <= right
        case ast.Gt():
            return left > right
        case ast.GtE():
            return left >= right
    raise ValueError(_FORBIDDEN)


def _bounded(value: int) -> int:
    if abs(value) > _LARGEST:
        raise ValueError(f"a number beyond {_LARGEST}")
    return value
