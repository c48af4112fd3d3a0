"""A second look at one's own answer: the policy answers, is asked to check itself, and answers again.

Nobody says whether the first answer was right, so what the policy learns here it can do without a checker: to keep
what is right and mend what is wrong (SCoRe, arXiv 2409.12917, section 3). `Verdict.turns` holds the outcome of every
answer, which rewards and tables of self-correction are made of; the outcome of the episode is that of the last one.

An answer that was cut ends the episode, and one that could not be checked is the failure of the check.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Annotated, Literal

from pydantic import Field

from ponder.environments.environment import EnvironmentSettings
from ponder.protocols import Check
from ponder.types import Problem, Trajectory, Verdict

AGAIN = "There may be a mistake in this answer. Check it, and answer again."


class SecondLook(EnvironmentSettings):
    """Always `turns` answers to one question, with nothing said about the earlier ones but `ask`."""

    kind: Literal["second_look"] = "second_look"
    turns: Annotated[int, Field(ge=2)] = 2
    turn_tokens: Annotated[int, Field(ge=0)] = 0
    ask: Annotated[str, Field(min_length=1)] = AGAIN

    @property
    def most_turns(self) -> int:
        return self.turns

    @property
    def most_turn_tokens(self) -> int:
        return self.turn_tokens

    @asynccontextmanager
    async def episode(self, problem: Problem, check: Check, *, seed: int) -> AsyncIterator[Looks]:
        yield Looks(check, self.ask)


class Looks:
    """The answers to one question; each is checked once."""

    def __init__(self, check: Check, ask: str) -> None:
        self._check, self._ask = check, ask
        self._outcomes: list[float] = []

    async def reply(self, trajectory: Trajectory) -> str | None:
        verdict = await self._check(trajectory)
        if verdict.outcome is None:
            return None
        self._outcomes.append(verdict.outcome)
        return self._ask

    async def verdict(self, trajectory: Trajectory) -> Verdict:
        """That of the last answer, with the outcomes of all."""
        verdict = await self._check(trajectory)
        if verdict.outcome is None:
            return verdict
        turns = trajectory.turns
        return replace(verdict, turns=(*self._outcomes[: turns - 1], verdict.outcome))
