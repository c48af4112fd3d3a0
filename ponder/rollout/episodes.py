"""Trajectories in an environment: turns of the policy, what the environment says in between, and the verdict.

The tokens of a trajectory are what was sampled and what was read, in that order: a later turn is drawn after the very
tokens of the earlier ones, and never after a text that was decoded and encoded again. `max_tokens` bounds all of them
together, observations included. An episode ends when the environment says so, after its last turn allowed, when a turn
is cut (by its own limit, the episode's, or the context window), or when nothing could follow what it would say; that
is then not said.

An environment that raises, or does not answer in `seconds`, gives the typed failure "environment". Time that it waits
for ground truth is not counted; the grader has a deadline of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import TypeVar

from ponder.protocols import Conversing, Environment, Episode, Propose
from ponder.rollout.grading import Grading
from ponder.seeds import derive_seed
from ponder.types import EngineError, PonderError, Problem, Trajectory, Verdict

SECONDS = 600.0
_TOLD = 500  # characters of what went wrong
CHARACTERS = 100_000  # of one reply: a tokenizer that is handed ten megabytes takes the memory of the run

T = TypeVar("T")


class EnvironmentFailed(Exception):
    """What an environment did that ends one episode."""


@dataclass(frozen=True)
class Episodes:
    """Plays on from first turns, and judges. `seed` fixes the draws of later turns and of the environment."""

    environment: Environment
    propose: Propose
    grading: Grading
    max_tokens: int
    seed: int
    seconds: float = SECONDS

    def __post_init__(self) -> None:
        name = type(self.environment).__name__
        if self.environment.most_turns < 1:
            raise PonderError(f"environment {name}: {self.environment.most_turns} turns; at least 1 is needed")
        if self.environment.most_turns > 1 and not isinstance(self.propose, Conversing):
            raise PonderError(
                f"environment {name} answers the policy, and this source of samples cannot go on after an answer "
                "(a pool or a remote chat cannot); use a local or vLLM model, or the environment single_turn"
            )

    @property
    def first(self) -> int:
        """The most tokens of a first turn."""
        return min(self.max_tokens, self.environment.most_turn_tokens or self.max_tokens)

    async def play(self, problem: Problem, first: Trajectory, member: int) -> tuple[Trajectory, Verdict, int]:
        """The whole trajectory that begins with the turn `first`, its verdict, and how many turns were drawn after it.

        `member` is its place among the trajectories of the problem.
        """
        seed = derive_seed("episode", self.seed, problem.id, member)
        trajectory, turns = first, 0
        try:
            async with self.opened(problem, seed) as (episode, asked):
                while turns + 1 < self.environment.most_turns and trajectory.finished:
                    said = await asked.reply(episode, trajectory)
                    if said is None:
                        break
                    longer = await self._turn(problem, trajectory, said, derive_seed("turn", seed, turns))
                    if longer is None:
                        break
                    trajectory, turns = longer, turns + 1
                return trajectory, await asked.verdict(episode, trajectory), turns
        except EnvironmentFailed as error:
            return trajectory, Verdict(failure="environment", detail=str(error)), turns

    async def _turn(self, problem: Problem, so_far: Trajectory, said: str, seed: int) -> Trajectory | None:
        """`so_far` with the observation `said` and the turn after it; None if no token could follow."""
        policy = self.propose
        assert isinstance(policy, Conversing)  # or the environment has one turn
        observation = policy.observe(problem.question, so_far.leaf, said)
        left = self.max_tokens - len(so_far) - len(observation.tokens)
        if min(left, policy.room(problem.question, observation)) < 1:
            return None
        most = min(left, self.environment.most_turn_tokens or left)
        leaves = await policy(problem.question, observation, 1, until="end", max_tokens=most, seed=seed)
        return Trajectory(problem.question, leaves[0]) if leaves else None

    @asynccontextmanager
    async def opened(self, problem: Problem, seed: int) -> AsyncIterator[tuple[Episode, Asking]]:
        """The episode and how to ask it, closed in any case; that closing fails is told only if all else went well."""
        asked = Asking(self.seconds)

        async def check(trajectory: Trajectory, other: Problem | None = None, /) -> Verdict:
            with asked.paused():
                return await self.grading.verdict(other or problem, trajectory)

        stack = AsyncExitStack()

        async def enter() -> Episode:
            return await stack.enter_async_context(self.environment.episode(problem, check, seed=seed))

        episode = await asked.of(enter())
        try:
            yield episode, asked
        except BaseException:
            with suppress(EnvironmentFailed):
                await asked.of(stack.aclose())
            raise
        await asked.of(stack.aclose())


@dataclass
class Asking:
    """Calls to one environment, with a deadline for each that stands still while `paused`."""

    seconds: float
    _clock: asyncio.Timeout | None = field(default=None, init=False)
    _pauses: int = field(default=0, init=False)

    async def reply(self, episode: Episode, trajectory: Trajectory) -> str | None:
        """What the policy reads next; `EnvironmentFailed` for what is no text, or too long to be one."""
        said = await self.of(episode.reply(trajectory))
        if said is not None and not isinstance(said, str):
            raise EnvironmentFailed(f"it replied with {type(said).__name__} instead of a text or None")
        if said is not None and len(said) > CHARACTERS:
            raise EnvironmentFailed(f"it replied with {len(said)} characters; at most {CHARACTERS} are read")
        return said

    async def verdict(self, episode: Episode, trajectory: Trajectory) -> Verdict:
        """What the episode was worth; `EnvironmentFailed` for what is no verdict."""
        return _sound(await self.of(episode.verdict(trajectory)))

    async def of(self, answer: Awaitable[T]) -> T:
        """`answer`; `EnvironmentFailed` with what went wrong if there is none."""
        try:
            async with asyncio.timeout(self.seconds) as self._clock:
                return await answer
        except EngineError as error:  # of a model that the environment asks: another call may fare better
            raise EnvironmentFailed(f"EngineError: {error}") from error
        except PonderError:
            raise  # something to act on: of the grader, or of the environment's settings
        except TimeoutError as error:
            if self._clock is not None and self._clock.expired():
                raise EnvironmentFailed(f"no answer within {self.seconds:g} s") from error
            raise EnvironmentFailed(f"TimeoutError: {error}") from error
        except asyncio.CancelledError as error:
            if (task := asyncio.current_task()) is None or task.cancelling():
                raise  # we are being stopped
            raise EnvironmentFailed("CancelledError: a task of its own was cancelled") from error
        except (Exception, SystemExit) as error:  # a bug in an environment must not end a training, nor become a reward
            raise EnvironmentFailed(f"{type(error).__name__}: {str(error)[:_TOLD]}") from error
        finally:
            self._clock = None

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Time that does not count; the clock starts anew after it."""
        self._pauses += 1
        self._set()
        try:
            yield
        finally:
            self._pauses -= 1
            self._set()

    def _set(self) -> None:
        if self._clock is not None and not self._clock.expired():
            now = asyncio.get_running_loop().time()
            self._clock.reschedule(None if self._pauses else now + self.seconds)


def _sound(verdict: Verdict) -> Verdict:
    if not isinstance(verdict, Verdict) or (verdict.outcome is None) == (verdict.failure is None):
        raise EnvironmentFailed(f"its verdict must have an outcome or a failure, and is {verdict!r}")
    return verdict
