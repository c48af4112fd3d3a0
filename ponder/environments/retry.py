"""Answer, hear whether it is right, try again: `turns` answers to one question, until one is right.

The reply is `WRONG`, with `feedback = "detail"` followed by what the check found ("uses [3, 6] instead of [1, 3, 6]").
The outcome is that of the last answer, so an episode that ends right is worth 1.0 however many tries it took. A policy
trained here learns to make use of a check and to correct itself; that a try is free, it learns too, so prefer few
turns. An answer that could not be checked ends the episode with the failure of the check, which is no outcome.

What it needs from ground truth is one bit an answer: the key is never shown. `detail` is what a family's checker says
for people to read; look at it before you turn it on (`ponder grade` shows it), for a checker may name what it wanted.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Annotated, Literal

from pydantic import Field

from ponder.environments.environment import EnvironmentSettings
from ponder.protocols import Check
from ponder.types import Problem, Step, Trajectory, Verdict

WRONG = "This answer is wrong{why}. Find the mistake and answer again."


class Retry(EnvironmentSettings):
    """Several answers to one question; after each wrong one the policy hears that it is wrong."""

    kind: Literal["retry"] = "retry"
    turns: Annotated[int, Field(ge=1)] = 3
    turn_tokens: Annotated[int, Field(ge=0)] = 0
    feedback: Literal["outcome", "detail"] = "outcome"

    @property
    def most_turns(self) -> int:
        return self.turns

    @property
    def most_turn_tokens(self) -> int:
        return self.turn_tokens

    @asynccontextmanager
    async def episode(self, problem: Problem, check: Check, *, seed: int) -> AsyncIterator[Tries]:
        yield Tries(check, told=self.feedback == "detail")


class Tries:
    """The answers to one question. Each is checked once, also the one that ends the episode."""

    def __init__(self, check: Check, *, told: bool) -> None:
        self._check, self._told = check, told
        self._known: tuple[Step, Verdict] | None = None
        self._outcomes: list[float] = []

    async def reply(self, trajectory: Trajectory) -> str | None:
        verdict = await self.verdict(trajectory)
        if verdict.outcome != 0.0:
            return None
        why = verdict.detail.strip().rstrip(".") if self._told else ""
        return WRONG.format(why=f": {why}" if why else "")

    async def verdict(self, trajectory: Trajectory) -> Verdict:
        if self._known is None or self._known[0] is not trajectory.leaf:
            verdict = await self._check(trajectory)
            if verdict.outcome is not None:
                self._outcomes.append(verdict.outcome)
                verdict = replace(verdict, turns=tuple(self._outcomes))
            self._known = trajectory.leaf, verdict
        return self._known[1]
