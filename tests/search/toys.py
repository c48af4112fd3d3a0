"""Solved toys for searches: a policy that guesses digits, and judges that know, half know or break.

The digits policy writes `DEPTH` random digits, each a step of `size` tokens (a token is a digit or padding), closes the
thinking and answers with what it wrote. The right path is the digits of `TARGET`. All is a function of the seed.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, TypeVar

from ponder.protocols import Price, Until
from ponder.types import Question, SearchResult, Step, StopReason, Trajectory, Verdict

T = TypeVar("T")
QUESTION = Question("toy-1", "toy", "Which digits?")
TARGET = "3141"


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(coroutine)


def digits_of(trajectory: Trajectory) -> str:
    """The digits thought so far (the answer repeats them after the mark)."""
    return "".join(c for c in trajectory.text.split("</think>")[0] if c.isdigit())


@dataclass
class Digits:
    """`Propose` over the digits policy. `base` kinds of digit; `depth` of them end the thinking.

    `pool` (None: endless) is how many leaves it can give before it is exhausted; `ramble` is the chance that a step
    is padding, so lengths vary. Counts calls and remembers what was asked.
    """

    base: int = 5
    depth: int = 4
    size: int = 3
    ramble: float = 0.0
    pool: int | None = None
    context: int = 4096
    calls: list[tuple[str, int, int, int]] = field(default_factory=list)
    most_at_once: int = 0
    _empty: int = 0
    _at_once: int = 0

    async def __call__(
        self, question: Question, prefix: Step | None, n: int, *, until: Until, max_tokens: int, seed: int
    ) -> list[Step]:
        return await self.draw(prefix, n, until, max_tokens, seed)

    async def draw(
        self, prefix: Step | None, n: int, until: Until, max_tokens: int, seed: int, greedy: bool = False
    ) -> list[Step]:
        self.calls.append((until, n, max_tokens, seed))
        self._at_once += n
        self.most_at_once = max(self.most_at_once, self._at_once)
        await asyncio.sleep(0)
        self._at_once -= n
        if self.pool is not None:
            self._empty += self.pool == 0
            assert self._empty < 40, "a search that goes on asking an exhausted source would never end"
            n = min(n, self.pool)
            self.pool -= n
        said = "" if prefix is None else Trajectory(QUESTION, prefix).text
        names = [f"likeliest after {said}" if greedy else f"{seed}/{i}" for i in range(n)]
        return [self._draw(prefix, until, max_tokens, random.Random(name)) for name in names]

    def greedy(self) -> View:
        return View(self, likeliest=True)

    def say(self, prefix: Step | None, text: str) -> Step:
        return Step((98,), (0.0,), f"{text}\n", 0, StopReason.STEP, prefix, forced=True)

    def room(self, question: Question, prefix: Step | None) -> int:
        return self.context - (0 if prefix is None else len(Trajectory(question, prefix)))

    def revising(self, attempt: Trajectory, critique: str = "") -> tuple[View, int]:
        return View(self).revising(attempt, critique)

    def _draw(self, prefix: Step | None, until: Until, left: int, rng: random.Random) -> Step:
        node = prefix
        if until == "answer" and not self._closed(node):
            node = Step((99,), (0.0,), "</think>", 0, StopReason.STEP, node, forced=True)
            left -= 1
        while True:
            text = self._next(node, rng)
            if until == "think" and text.startswith("</think>"):
                return Step((97,), (-1.0,), "</think>", 0, StopReason.STEP, node)
            tokens = tuple(rng.randrange(10) for _ in range(min(left, self.size)))
            short = len(tokens) < self.size
            stop = StopReason.LENGTH if short else StopReason.END if "</think>" in text or self._closed(node) else None
            node = Step(tokens, (-1.0,) * len(tokens), "" if short else text, 0, stop or StopReason.STEP, node)
            left -= len(tokens)
            if stop or until == "step":
                return node
            if left == 0:
                return Step((), (), "", 0, StopReason.LENGTH, node)

    def _next(self, node: Step | None, rng: random.Random) -> str:
        digits = "" if node is None else digits_of(Trajectory(QUESTION, node))
        if self._closed(node):
            return digits or "?"
        waits = 0 if node is None else Trajectory(QUESTION, node).text.count("Wait")
        if len(digits) == self.depth + waits:
            return f"</think>{digits}"
        return "\n" if rng.random() < self.ramble else f"{rng.randrange(self.base)}\n"

    def _closed(self, node: Step | None) -> bool:
        return node is not None and "</think>" in Trajectory(QUESTION, node).text

    def answer(self, trajectory: Trajectory) -> str | None:
        text = trajectory.text
        ended = trajectory.stop is StopReason.END and "</think>" in text
        return text.split("</think>")[1] or None if ended else None


@dataclass(frozen=True)
class View:
    """The digits policy asked greedily, or with attempts in its prompt; a request takes `REQUEST` tokens."""

    base: Digits
    likeliest: bool = False
    attempts: tuple[Trajectory, ...] = ()
    critiques: tuple[str, ...] = ()

    REQUEST: ClassVar[int] = 4

    async def __call__(
        self, question: Question, prefix: Step | None, n: int, *, until: Until, max_tokens: int, seed: int
    ) -> list[Step]:
        if self.likeliest:
            return await self.base.draw(prefix, n, until, max_tokens, seed, greedy=True)
        return await self.base(question, prefix, n, until=until, max_tokens=max_tokens, seed=seed)

    def answer(self, trajectory: Trajectory) -> str | None:
        return self.base.answer(trajectory)

    def greedy(self) -> View:
        return replace(self, likeliest=True)

    def say(self, prefix: Step | None, text: str) -> Step:
        return self.base.say(prefix, text)

    def room(self, question: Question, prefix: Step | None) -> int:
        return self.base.room(question, prefix) - sum(len(a) + self.REQUEST for a in self.attempts)

    def revising(self, attempt: Trajectory, critique: str = "") -> tuple[View, int]:
        after = replace(self, attempts=(*self.attempts, attempt), critiques=(*self.critiques, critique))
        return after, self.REQUEST


def truth(trajectory: Trajectory) -> float:
    """The perfect value: whether the digits so far are the start of the target."""
    return float(TARGET.startswith(digits_of(trajectory)))


@dataclass
class Scores:
    """A judge that gives `value(trajectory)`, at `ratio` token-equivalents a token of prompt and response.

    With `rereads` each time anew; a verdict costs `verdict` on top, and `step` for each step that has tokens.
    """

    value: Callable[[Trajectory], float | None] = truth
    ratio: float = 0.7
    prompt: int = 5
    fails_after: int | None = None
    rereads: bool = False
    verdict: float = 0.0
    step: float = 0.0
    asked: list[int] = field(default_factory=list)

    def price(self, question: Question) -> Price:
        return Price(self.ratio * self.prompt, self.ratio, self.verdict, self.step, self.rereads)

    def extra(self, trajectory: Trajectory) -> float:
        return self.verdict + self.step * sum(bool(step.tokens) for step in trajectory.steps)

    async def __call__(self, question: Question, trajectories: Sequence[Trajectory]) -> list[Verdict]:
        await asyncio.sleep(0)
        self.asked.append(len(trajectories))
        if self.fails_after is not None and len(self.asked) > self.fails_after:
            raise RuntimeError("the judge is gone")
        values = [self.value(t) for t in trajectories]
        return [Verdict(score=v) if v is not None else Verdict(failure="infrastructure") for v in values]


def texts(result: SearchResult) -> list[str]:
    return [t.text for t in result.trajectories]
