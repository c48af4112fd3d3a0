"""A policy on known ground for tests of step labels: it completes a prefix rightly as often as the test says."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ponder.labels.rollouts import Rollouts, Source
from ponder.problems.families.arithmetic import Arithmetic
from ponder.protocols import Until
from ponder.search.session.budget import Budget
from ponder.types import Group, Problem, Question, Step, StopReason, Trajectory, Verdict

PROBLEM = Arithmetic().problem(0)


def step(text: str, parent: Step | None = None, stop: StopReason = StopReason.STEP) -> Step:
    return Step(tuple(map(ord, text)), (0.0,) * len(text), text, 0, stop, parent)


def trajectory(text: str) -> Trajectory:
    """`abR`: the steps a, b and the last one R, one letter a step."""
    node: Step | None = None
    for letter in text[:-1]:
        node = step(letter, node)
    return Trajectory(PROBLEM.question, step(text[-1], node, StopReason.END))


def group(*texts: str) -> Group:
    """Responses are right if they end with R."""
    return Group(PROBLEM, tuple(map(trajectory, texts)), tuple(Verdict(outcome=float(t[-1] == "R")) for t in texts))


class Odds:
    """From a prefix, the first `right(text)` of its continuations are R and the others W, each of one token."""

    def __init__(self, right: Callable[[str], int]) -> None:
        self.right = right
        self.asked: list[str] = []

    async def __call__(
        self, question: Question, prefix: Step | None, n: int, *, until: Until, max_tokens: int, seed: int
    ) -> list[Step]:
        text = "".join(s.text for s in prefix.path) if prefix else ""
        self.asked.append(text)
        right = self.right(text)
        return [step("R" if i < right else "W", prefix, StopReason.END) for i in range(n if max_tokens > 0 else 0)]

    def answer(self, trajectory: Trajectory) -> str | None:
        return trajectory.leaf.text


def grade(problems: Sequence[Problem], responses: Sequence[str]) -> list[Verdict]:
    """`?` at the end cannot be judged."""
    return [
        Verdict(failure="timeout") if r.endswith("?") else Verdict(outcome=float(r.endswith("R"))) for r in responses
    ]


def rollouts(odds: Odds, *, budget: float | None = None, max_tokens: int = 40, price: float = 1.0) -> Rollouts:
    source = Source(odds, grade, max_tokens=max_tokens, seed=0, price=price)
    return Rollouts(PROBLEM, source, None if budget is None else Budget(budget))
