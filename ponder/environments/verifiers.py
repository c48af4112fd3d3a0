"""An environment of the package `verifiers` (0.4) that plays several turns by code of its own, such as a game.

Its `run` is a coroutine that asks an agent turn by turn. Here the policy is that agent: a turn of the policy is what
the agent says, and what `run` says next is the observation, until it ends. The episode is right if the rewards that it
recorded (or, where it recorded none, those of the task) sum up to `least`. An episode that reaches `turns` is ended as
the package ends one at a limit. Nothing of the package's own engines, harnesses and containers is used, so environments
that want more than one agent, tools or a container are refused when the family `verifiers:TASKSET` is loaded.

That an episode went on means that it was not won yet: the outcomes of all turns but the last are 0.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import Field

from ponder.environments.environment import EnvironmentSettings
from ponder.problems.public.verifiers import Verifiers, playing
from ponder.protocols import Check
from ponder.thinking import final_answer, graded_text
from ponder.types import Problem, Trajectory, Verdict


class VerifiersEnvironment(EnvironmentSettings):
    """An environment of the package verifiers: its code asks the policy turn by turn, its rewards are the verdict."""

    kind: Literal["verifiers"] = "verifiers"
    turns: Annotated[int, Field(ge=1)] = 8
    turn_tokens: Annotated[int, Field(ge=0)] = 0
    least: float = 1.0

    @property
    def most_turns(self) -> int:
        return self.turns

    @property
    def most_turn_tokens(self) -> int:
        return self.turn_tokens

    @asynccontextmanager
    async def episode(self, problem: Problem, check: Check, *, seed: int) -> AsyncIterator[Exchange]:
        family, task = playing(problem)
        seat = Seat(family, task)
        running = asyncio.ensure_future(family.environment.run(task, Seats(seat)))
        try:
            exchange = Exchange(self, seat, running)
            await exchange.asked()
            yield exchange
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await running


class Seats:
    """The agents as `run` sees them: whichever name it calls the one that there is."""

    def __init__(self, seat: Seat) -> None:
        self._seat = seat

    def __getattr__(self, name: str) -> Seat:
        return self._seat


class Seat:
    """The policy as an agent of the package: `interaction(task)` gives what `run` awaits turns of."""

    def __init__(self, family: Verifiers, task: Any) -> None:
        self.family, self.task = family, task
        self.trace = family.trace(task, ())
        self.asking: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self.said: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()

    @asynccontextmanager
    async def interaction(self, task: Any, **options: Any) -> AsyncIterator[Seat]:
        yield self

    async def turn(self, message: str | None = None) -> Any:
        """Say `message` to the policy (None: the task has its question) and wait for its turn."""
        if message is not None:
            self.family.say(self.trace, message)
        self.asking.set_result(message)
        said = await self.said
        self.said = asyncio.get_running_loop().create_future()
        return self.family.segment(self.trace, said)


@dataclass
class Exchange:
    """One episode. A turn that was not played yet is played before the verdict."""

    settings: VerifiersEnvironment
    seat: Seat
    running: asyncio.Future[None]
    _turns: int = 0
    _acted: Any = None
    _waiting: bool = field(default=False, init=False)

    async def asked(self) -> str | None:
        """What `run` says before it waits for the next turn; None: it has ended. Raises what `run` raised."""
        waiting: set[asyncio.Future[Any]] = {self.running, self.seat.asking}
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        self._waiting = self.seat.asking.done()
        if not self._waiting:
            self.running.result()
            return None
        message = self.seat.asking.result()
        self.seat.asking = asyncio.get_running_loop().create_future()
        return message or ""

    async def reply(self, trajectory: Trajectory) -> str | None:
        return await self._act(trajectory)

    async def verdict(self, trajectory: Trajectory) -> Verdict:
        if self._waiting and self._acted is not trajectory.leaf:
            await self._act(trajectory)
        if self._waiting:  # it would go on, and the turns are over
            self.seat.said.set_result(None)
            await self.running
        paid = await self.seat.family.paid(self.seat.task, self.seat.trace)
        outcome = float(sum(paid.values()) >= self.settings.least)
        return Verdict(outcome=outcome, detail=f"rewards {paid}", turns=(0.0,) * (self._turns - 1) + (outcome,))

    async def _act(self, trajectory: Trajectory) -> str | None:
        self._acted, self._turns = trajectory.leaf, self._turns + 1
        self.seat.said.set_result(final_answer(graded_text(trajectory)) or "")
        return await self.asked()
