"""Write a program, read which of the shown tests fail, repair it; graded on all tests, most of which are never shown.

A problem has its tests in `Key.data["tests"]`, as the families `code` and `formula` and files of programs do. The first
`visible` of them (or as many as the problem itself says) are shown, in so far as what fails is read: after a turn whose
program passes all of these the episode ends, as it does after `turns`. The outcome is that of the last program on all
tests, so a program that was fitted to what was shown is wrong. `Verdict.turns` has the outcome of every turn on all
tests where `each_turn` is set, which costs another grading a turn and is what the reward `self_correction` and the
table of self-correction are made of.

Degenerate: with all tests visible the environment tells the policy when it is right, and is `retry` with details.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Annotated, Literal

from pydantic import Field

from ponder.environments.environment import EnvironmentSettings
from ponder.protocols import Check
from ponder.types import Key, PonderError, Problem, Trajectory, Verdict

FAILED = "A test fails: {why}. Find the mistake and write all of it again."
_LONGEST = 300


class Repair(EnvironmentSettings):
    """Several programs for one task; after each the policy reads which of the visible tests fails."""

    kind: Literal["repair"] = "repair"
    turns: Annotated[int, Field(ge=1)] = 3
    turn_tokens: Annotated[int, Field(ge=0)] = 0
    visible: Annotated[int, Field(ge=1)] = 3
    each_turn: bool = False

    @property
    def most_turns(self) -> int:
        return self.turns

    @property
    def most_turn_tokens(self) -> int:
        return self.turn_tokens

    def measured(self) -> Repair:
        return self.model_copy(update={"each_turn": True})

    @asynccontextmanager
    async def episode(self, problem: Problem, check: Check, *, seed: int) -> AsyncIterator[Repairs]:
        yield Repairs(check, shown(problem, self.visible), each_turn=self.each_turn)


def shown(problem: Problem, visible: int) -> Problem:
    """The same problem with its visible tests alone: `visible`, or as many as it says. PonderError if it has none."""
    tests = problem.key.data.get("tests")
    if not isinstance(tests, list | tuple) or not tests:
        raise PonderError(
            f"environment repair: problem {problem.id} of {problem.family} has no list of tests to show a part of; use "
            "code, formula, or a file of programs with a list of tests, or the environment retry"
        )
    return replace(
        problem,
        key=Key(
            problem.key.answer, {**problem.key.data, "tests": list(tests[: problem.key.data.get("visible", visible)])}
        ),
    )


class Repairs:
    """The programs for one task. A check that could not be made ends the episode with its failure."""

    def __init__(self, check: Check, shown: Problem, *, each_turn: bool) -> None:
        self._check, self._shown, self._each_turn = check, shown, each_turn
        self._outcomes: list[float] = []

    async def reply(self, trajectory: Trajectory) -> str | None:
        seen = await self._check(trajectory, self._shown)
        if seen.outcome != 0.0:
            return None
        if self._each_turn:
            whole = await self._check(trajectory)
            self._outcomes.append(whole.outcome or 0.0)
        why = seen.detail.strip().rstrip(".") or "what it gives is wrong"
        return FAILED.format(why=why if len(why) <= _LONGEST else f"{why[:_LONGEST]} ...")

    async def verdict(self, trajectory: Trajectory) -> Verdict:
        verdict = await self._check(trajectory)
        if verdict.outcome is None or not self._each_turn:
            return verdict
        return replace(verdict, turns=(*self._outcomes[: trajectory.turns - 1], verdict.outcome))
