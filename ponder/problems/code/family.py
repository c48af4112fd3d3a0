"""Small Python programs over lists of numbers: `keep the even ones, square each, return their sum`.

`level` is the number of steps; a function (`style=function`), a program that reads and prints (`style=program`) or,
drawn for each problem, either of them (`style=both`). The tests are made with the steps' own meaning and not by
running the reference program, so the self-check compares two independent ones. Near misses leave a step out or change
its number, where the tests can see it. Inputs are small whole numbers; the empty list is always among them.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from ponder.problems.code.steps import ENDS, STEPS, Step
from ponder.problems.splits import draw
from ponder.seeds import derive_seed
from ponder.types import Key, PonderError, Problem, Question

STYLES = ("function", "program", "both")
INSTRUCTIONS = "Think step by step. After your thinking, give the complete Python code in one ```python block."
INPUTS = 8
Numbers = list[int]
Result = int | Numbers


@dataclass(frozen=True)
class Plan:
    """What one program does: its steps in order, then its end."""

    steps: tuple[Step, ...]
    end: str

    @property
    def content(self) -> str:
        return "; ".join([*(step.told for step in self.steps), self.end])

    def result(self, numbers: Numbers) -> Result:
        for step in self.steps:
            numbers = step.apply(numbers)
        return ENDS[self.end].apply(numbers)

    def lines(self) -> list[str]:
        """The reference, from a list named `numbers` to a value named `result`."""
        return [*(step.code for step in self.steps), f"result = {ENDS[self.end].code}"]


@dataclass(frozen=True)
class Code:
    """A small program of `level` steps over a list of numbers, judged by tests in a sandbox."""

    level: int = 2
    style: str = "both"
    name: str = "code"

    def __post_init__(self) -> None:
        if not 1 <= self.level <= 8:
            raise PonderError(f"code: level={self.level}; allowed are 1 to 8")
        if self.style not in STYLES:
            raise PonderError(f"code: style={self.style}; allowed are {', '.join(STYLES)}")

    def at_level(self, level: int) -> Code:
        return Code(level=level, style=self.style)

    def problem(self, index: int, *, split: str = "train", seed: int = 0) -> Problem:
        stream = f"code/{self.level}/{seed}/{index}"
        plan = draw(stream, split, self._plan, lambda plan: plan.content)
        style = self.style if self.style != "both" else STYLES[derive_seed(plan.content) % 2]
        question = Question(
            id=f"code-{style}-{self.level}-{split}-{seed}-{index}",
            family=self.name,
            text=_function_text(plan) if style == "function" else _program_text(plan),
            instructions=INSTRUCTIONS,
            level=self.level,
        )
        cases = [(numbers, plan.result(numbers)) for numbers in _inputs(plan)]
        tests = _asserts(cases) if style == "function" else _streams(cases)
        entry = {"entry_point": "solve"} if style == "function" else {}
        return Problem(question, Key(_reference(plan, style), {"verifier": "code", "tests": tests, **entry}))

    def _plan(self, rng: random.Random) -> Plan | None:
        """A plan that gives more than one result on its inputs; a step of no effect is drawn again."""
        steps = tuple(rng.choice(STEPS)(rng) for _ in range(self.level))
        plan = Plan(steps, rng.choice(list(ENDS)))
        results = [plan.result(numbers) for numbers in _inputs(plan)]
        return plan if len({str(result) for result in results}) > 2 and all(_seen(plan, results)) else None

    def near_misses(self, problem: Problem) -> list[str]:
        """Programs with one step left out or done twice, which the tests can tell from the right one."""
        reference = problem.key.answer or ""
        first, *steps = reference.splitlines()
        body = [line for line in steps if line.strip().startswith("numbers = ")]
        variants = [reference.replace(f"{line}\n", "", 1) for line in body if steps.count(line) == 1]
        ending = "return result" if "return result" in reference else "print("
        broken = [reference.replace(ending, "return None" if ending == "return result" else "print(0, "), first]
        return [*(_fenced(text) for text in [*variants, *broken]), "", f"<think>\n{_fenced(reference)}"]

    def equivalents(self, problem: Problem) -> list[str]:
        reference = problem.key.answer or ""
        return [_fenced(reference), f"First this:\n```\nx = 1\n```\nThen:\n{_fenced(reference)}\nThat is all."]

    def demonstration(self, problem: Problem, seed: int) -> str:
        thinking = [line.strip() for line in problem.question.text.splitlines() if line.startswith("- ")]
        return "\n".join(thinking) + f"\n</think>{_fenced(problem.key.answer or '')}"


def _seen(plan: Plan, results: list[Result]) -> list[bool]:
    """For each step, whether the tests would miss it."""
    shorter = [Plan(plan.steps[:i] + plan.steps[i + 1 :], plan.end) for i in range(len(plan.steps))]
    return [[other.result(numbers) for numbers in _inputs(plan)] != results for other in shorter]


def _inputs(plan: Plan) -> list[Numbers]:
    """Fixed by the plan: the empty list, a list of one, lists with repetitions."""
    rng = random.Random(f"inputs/{plan.content}")
    lengths = [0, 1, *(rng.randint(3, 9) for _ in range(INPUTS - 2))]
    return [[rng.randint(-9, 12) for _ in range(length)] for length in lengths]


def _reference(plan: Plan, style: str) -> str:
    if style == "function":
        return "".join(["def solve(numbers):\n", *(f"    {line}\n" for line in plan.lines()), "    return result\n"])
    printed = "print(*result)" if ENDS[plan.end].is_list else "print(result)"
    return "\n".join(["numbers = [int(word) for word in input().split()]", *plan.lines(), printed, ""])


def _asserts(cases: list[tuple[Numbers, Result]]) -> list[str]:
    return [f"assert solve({numbers!r}) == {result!r}" for numbers, result in cases]


def _streams(cases: list[tuple[Numbers, Result]]) -> list[dict[str, str]]:
    return [{"input": f"{_line(numbers)}\n", "output": f"{_line(result)}\n"} for numbers, result in cases]


def _line(value: Result) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def _steps_text(plan: Plan) -> str:
    return "".join(f"- {step.told}\n" for step in plan.steps)


def _function_text(plan: Plan) -> str:
    return (
        "Write a Python function `solve(numbers)`. It takes a list of whole numbers and does this, in order:\n"
        f"{_steps_text(plan)}Then it returns {plan.end}."
    )


def _program_text(plan: Plan) -> str:
    how = ", separated by spaces, in one line" if ENDS[plan.end].is_list else ""
    return (
        "Write a Python program. It reads one line of whole numbers separated by spaces (the line may be empty) and "
        f"does this, in order:\n{_steps_text(plan)}Then it prints {plan.end}{how}."
    )


def _fenced(code: str) -> str:
    return f"```python\n{code}```"
