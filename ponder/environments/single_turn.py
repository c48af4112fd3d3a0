"""One question, one answer: the environment of problems whose answers are graded as they come."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

from ponder.environments.environment import EnvironmentSettings
from ponder.protocols import Check
from ponder.types import Problem, Trajectory, Verdict


class SingleTurn(EnvironmentSettings):
    """One answer, and its grade."""

    kind: Literal["single_turn"] = "single_turn"

    @asynccontextmanager
    async def episode(self, problem: Problem, check: Check, *, seed: int) -> AsyncIterator[Once]:
        yield Once(check)


class Once:
    """The episode of a single answer."""

    def __init__(self, check: Check) -> None:
        self._check = check

    async def reply(self, trajectory: Trajectory) -> str | None:
        return None

    async def verdict(self, trajectory: Trajectory) -> Verdict:
        return await self._check(trajectory)
