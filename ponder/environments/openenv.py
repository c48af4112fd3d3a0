"""An environment behind an OpenEnv server: its observations are what the policy reads, its rewards the verdict.

A problem is an episode: the family `openenv:URL` resets the server with the problem's seed and asks what it says first.
Each turn of the policy becomes an action, `{action: answer}`, and the observation that comes back is read, until the
server says done. The episode is right if its rewards sum up to `least`. What an observation shows is the text in one of
the fields `shown` (the first that is there), else all of it as JSON. One connection an episode, closed in any case; at
most `sessions` of them at once (0: any number; what `openenv init` writes serves one). A server that ignores the seed
begins another episode than the question asks, which is a failure and no wrong answer.

Needs the package `openenv-core`; nothing of a server's own package is run here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Annotated, Any, Literal
from weakref import WeakKeyDictionary

from pydantic import Field

from ponder.environments.environment import EnvironmentSettings
from ponder.problems.public.openenv import SHOWN, client, told
from ponder.protocols import Check
from ponder.thinking import final_answer, graded_text
from ponder.types import PonderError, Problem, Trajectory, Verdict


class OpenEnv(EnvironmentSettings):
    """An OpenEnv server: actions are answers, observations are read, rewards add up to the verdict."""

    kind: Literal["openenv"] = "openenv"
    turns: Annotated[int, Field(ge=1)] = 8
    turn_tokens: Annotated[int, Field(ge=0)] = 0
    action: str = "message"
    shown: tuple[str, ...] = SHOWN
    least: float = 1.0
    sessions: Annotated[int, Field(ge=0)] = 0

    @property
    def most_turns(self) -> int:
        return self.turns

    @property
    def most_turn_tokens(self) -> int:
        return self.turn_tokens

    @asynccontextmanager
    async def episode(self, problem: Problem, check: Check, *, seed: int) -> AsyncIterator[Steps]:
        data = problem.key.data
        if "openenv" not in data:
            raise PonderError(
                f"environment openenv: problem {problem.id} of {problem.family} is of no server; use the family "
                "openenv:URL"
            )
        url = str(data["openenv"])
        async with _place(url, self.sessions), client(url) as server:
            first = told((await server.reset(seed=data["seed"])).observation)
            if first != problem.question.text:
                raise ValueError(f"reset with the seed {data['seed']} began another episode: {first[:80]!r}")
            yield Steps(server, self)


_PLACES: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[tuple[str, int], asyncio.Semaphore]] = WeakKeyDictionary()


def _place(url: str, sessions: int) -> AbstractAsyncContextManager[Any]:
    """One of the `sessions` that a server holds at once; the others wait."""
    if not sessions:
        return nullcontext()
    here = _PLACES.setdefault(asyncio.get_running_loop(), {})
    return here.setdefault((url, sessions), asyncio.Semaphore(sessions))


@dataclass
class Steps:
    """One episode. The last turn of the policy is acted out before the verdict."""

    server: Any
    settings: OpenEnv
    _acted: Any = None
    _done: bool = False
    _paid: list[float] = field(default_factory=list)  # one an action; an action without a reward paid nothing

    async def reply(self, trajectory: Trajectory) -> str | None:
        said = await self._act(trajectory)
        return None if self._done else said

    async def verdict(self, trajectory: Trajectory) -> Verdict:
        if self._acted is not trajectory.leaf and not self._done:
            await self._act(trajectory)
        reached = tuple(float(total >= self.settings.least) for total in accumulate(self._paid))
        return Verdict(outcome=reached[-1], detail=f"rewards {self._paid}", turns=reached)

    async def _act(self, trajectory: Trajectory) -> str:
        answer = final_answer(graded_text(trajectory)) or ""
        result = await self.server.step({self.settings.action: answer})
        self._acted, self._done = trajectory.leaf, bool(result.done)
        self._paid.append(0.0 if result.reward is None else float(result.reward))
        return told(result.observation, self.settings.shown)
