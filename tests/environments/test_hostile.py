"""Hostile environments: whatever one of them does is a typed failure of its own episode, and the others go on."""

from __future__ import annotations

import asyncio
import itertools
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Literal

from ponder.engines.scripted import ScriptedEngine
from ponder.environments.environment import EnvironmentSettings
from ponder.models.load import load
from ponder.policy.codec import Codec
from ponder.policy.propose import PolicyPropose
from ponder.protocols import Check
from ponder.rollout.collect import collect
from ponder.types import Key, Problem, Question, Trajectory, Verdict
from ponder.verifiers.votes import canonical_answer

CODEC = Codec(load("tiny").tokenizer)


class Deep(Exception):
    """An exception with a megabyte to say."""

    def __str__(self) -> str:
        return "x" * 10**6


def _raise(error: BaseException) -> Any:
    raise error


# What an environment does in `reply`, and a word of the failure that it becomes.
REPLIES: dict[str, tuple[Callable[[], Any], str]] = {
    "ten megabytes": (lambda: "a" * 10**7, "10000000 characters"),
    "one long line": (lambda: "7 " * 60_000, "120000 characters"),
    "a number": (lambda: 7, "int instead of a text"),
    "bytes": (lambda: b"again", "bytes instead of a text"),
    "a list": (lambda: ["again"], "list instead of a text"),
    "an exception": (lambda: _raise(OSError("the cable is out")), "the cable is out"),
    "a flood of words": (lambda: _raise(Deep()), "Deep: xxx"),
    "memory": (lambda: _raise(MemoryError()), "MemoryError"),
    "a timeout of its own": (lambda: _raise(TimeoutError("its server")), "its server"),
    "an endless list": (lambda: itertools.repeat("again"), "repeat instead of a text"),
    "the end of the process": (lambda: sys.exit(3), "SystemExit"),
    "a cancelled task": (lambda: _raise(asyncio.CancelledError()), "a task of its own was cancelled"),
    "stop iteration": (lambda: _raise(StopAsyncIteration()), "StopAsyncIteration"),
}
VERDICTS: dict[str, Any] = {
    "none": None,
    "a number": 1.0,
    "neither": Verdict(),
    "both": Verdict(outcome=1.0, failure="x"),
}


class Hostile(EnvironmentSettings):
    """Good to the problem `good`; to another it does what its id says."""

    kind: Literal["hostile"] = "hostile"
    turns: int = 2

    @property
    def most_turns(self) -> int:
        return self.turns

    @asynccontextmanager
    async def episode(self, problem: Problem, check: Check, *, seed: int) -> AsyncIterator[Hostile.Episode]:
        if problem.id == "reset":
            raise ConnectionError("no reset")
        if problem.id == "slow reset":
            await asyncio.Event().wait()
        yield Hostile.Episode(problem.id)
        if problem.id == "close":
            raise ConnectionError("no close")

    class Episode:
        def __init__(self, name: str) -> None:
            self.name = name

        async def reply(self, trajectory: Trajectory) -> str | None:
            if self.name == "silent":
                await asyncio.Event().wait()
            return REPLIES[self.name][0]() if self.name in REPLIES else "again"

        async def verdict(self, trajectory: Trajectory) -> Verdict:
            if self.name.startswith("verdict: "):
                return VERDICTS[self.name.removeprefix("verdict: ")]  # type: ignore[no-any-return]
            return Verdict(outcome=1.0)


def played(*names: str) -> dict[str, Verdict]:
    propose = PolicyPropose(ScriptedEngine(CODEC, {"": [("so\n</think>4", 1.0)]}), CODEC, canonical_answer)
    problems = [Problem(Question(name, "toy", "2+2?"), Key("4")) for name in names]
    grade = lambda some, said: [Verdict(outcome=1.0) for _ in said]  # noqa: E731
    some = collect(problems, propose, grade, group_size=1, max_tokens=200, seed=0, environment=Hostile())
    with asyncio.Runner(loop_factory=Jumping) as runner:
        return {group.problem.id: group.verdicts[0] for group in runner.run(some)}


class Jumping(asyncio.SelectorEventLoop):
    """Time passes at once where nobody has anything to do: a deadline of ten minutes costs no second."""

    ahead = 0.0

    def time(self) -> float:
        return super().time() + self.ahead

    def _run_once(self) -> None:
        timers: Any = self._scheduled  # type: ignore[attr-defined]
        waiting = min((timer.when() for timer in timers if not timer.cancelled()), default=None)
        if waiting is not None and not self._ready:  # type: ignore[attr-defined]
            self.ahead += max(0.0, waiting - self.time())
        super()._run_once()  # type: ignore[misc]


def test_each_reply_is_a_failure_of_its_own_and_the_others_go_on() -> None:
    found = played("good", *REPLIES, "reset", "close", "good too", *(f"verdict: {name}" for name in VERDICTS))
    assert found["good"].outcome == found["good too"].outcome == 1.0
    for name, (_, words) in REPLIES.items():
        assert (found[name].outcome, found[name].failure) == (None, "environment"), name
        assert words in found[name].detail and len(found[name].detail) < 2000
    for name in ("reset", "close", *(f"verdict: {name}" for name in VERDICTS)):
        assert (found[name].outcome, found[name].failure) == (None, "environment"), name


def test_an_environment_that_never_stops_talking_is_stopped_by_the_limits() -> None:
    """It replies to every turn; the episode ends with the last turn it may have, and takes no more tokens than that."""
    propose = PolicyPropose(ScriptedEngine(CODEC, {"": [("so\n</think>4", 1.0)]}), CODEC, canonical_answer)
    problem = Problem(Question("good", "toy", "2+2?"), Key("4"))
    grade = lambda some, said: [Verdict(outcome=1.0) for _ in said]  # noqa: E731

    def turns(most: int, max_tokens: int) -> tuple[int, int]:
        acts_in = Hostile(turns=most)
        some = collect([problem], propose, grade, group_size=1, max_tokens=max_tokens, seed=0, environment=acts_in)
        [trajectory] = asyncio.run(some)[0].trajectories
        return trajectory.turns, len(trajectory)

    assert turns(7, 4000)[0] == 7
    found, tokens = turns(1000, 150)
    assert 2 < found < 20 and tokens <= 150


def test_who_never_answers_is_given_up_while_the_others_are_judged() -> None:
    found = played("silent", "slow reset", "good")
    assert found["good"].outcome == 1.0
    assert all(
        found[name].failure == "environment" and "within 600 s" in found[name].detail
        for name in ("silent", "slow reset")
    )
