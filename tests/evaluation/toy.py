"""A toy policy and judge for evaluation: one character is one token, and the answer follows "</think>"."""

from __future__ import annotations

import random
from collections.abc import Sequence

from ponder.evaluation.pools.pool import Live
from ponder.protocols import Price, Until
from ponder.seeds import derive_seed
from ponder.types import Group, Key, Problem, Question, Step, StopReason, Trajectory, Verdict

CLOSE = "</think>"
PROMPT = 10  # tokens that a judge reads before the response


def problem(name: str, family: str = "toy", answer: str = "1", level: int = 0) -> Problem:
    return Problem(Question(name, family, f"question {name}", level=level), Key(answer))


def trajectory(question: Question, text: str, stop: StopReason = StopReason.END) -> Trajectory:
    """Lines become steps; every character is a token."""
    lines = text.splitlines(keepends=True) or [""]
    leaf: Step | None = None
    for i, line in enumerate(lines):
        ends = stop if i == len(lines) - 1 else StopReason.STEP
        leaf = Step(tuple(map(ord, line)), (-1.0,) * len(line), line, 0, ends, leaf)
    assert leaf is not None
    return Trajectory(question, leaf)


def decode(tokens: Sequence[int]) -> str:
    return "".join(map(chr, tokens))


def grade(problems: Sequence[Problem], texts: Sequence[str]) -> list[Verdict]:
    """Right if the key follows the thinking; an answer of "broken" breaks the grader."""
    answers = [text.split(CLOSE, 1)[1] if CLOSE in text else None for text in texts]
    return [
        Verdict(failure="timeout") if a == "broken" else Verdict(outcome=float(a == p.key.answer))
        for p, a in zip(problems, answers, strict=True)
    ]


class ToyPropose:
    """Thinks for `lengths` tokens and answers right with chance `skill`, else one of three wrong answers."""

    def __init__(self, skill: float = 0.5, lengths: Sequence[int] = (20,)) -> None:
        self.skill, self.lengths = skill, lengths
        self.forced = 0

    async def __call__(
        self, question: Question, prefix: Step | None, n: int, *, until: Until, max_tokens: int, seed: int
    ) -> list[Step]:
        if until == "answer":
            self.forced += n
            text = f"{CLOSE}1"
            return [Step(tuple(map(ord, text)), (0.0,) * len(text), text, 0, StopReason.END, prefix) for _ in range(n)]
        leaves = []
        for i in range(n):
            rng = random.Random(derive_seed("toy", seed, question.id, i))
            answer = "1" if rng.random() < self.skill else rng.choice("234")
            text = "x" * rng.choice(self.lengths) + CLOSE + answer
            stop = StopReason.END if len(text) <= max_tokens else StopReason.LENGTH
            leaves.append(trajectory(question, text[:max_tokens], stop).leaf)
        return leaves

    def answer(self, trajectory: Trajectory) -> str | None:
        return trajectory.text.split(CLOSE, 1)[1] if CLOSE in trajectory.text else None


class ToyJudge:
    """Says 0.9 of a right answer and 0.2 of a wrong one, at half a token-equivalent for each token read."""

    def __init__(self) -> None:
        self.asked = 0

    def price(self, question: Question) -> Price:
        return Price(question=0.5 * PROMPT, token=0.5)

    def extra(self, trajectory: Trajectory) -> float:
        return 0.0

    async def __call__(self, question: Question, trajectories: Sequence[Trajectory]) -> list[Verdict]:
        self.asked += len(trajectories)
        return [Verdict(score=0.9 if t.text.endswith(f"{CLOSE}1") else 0.2) for t in trajectories]


def live(propose: ToyPropose | None = None, judge: ToyJudge | None = None) -> Live:
    return Live(propose or ToyPropose(), decode, grade, judge)


def group(name: str, texts: Sequence[str], family: str = "toy") -> Group:
    one = problem(name, family)
    return Group(one, tuple(trajectory(one.question, t) for t in texts), tuple(grade([one] * len(texts), texts)))
