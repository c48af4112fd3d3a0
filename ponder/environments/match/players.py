"""Who can sit in a seat: the policy, a random player, a perfect one.

A player is asked for one move in one position. The policy answers a fresh question for every move: what it sees is a
whole information set, so nothing needs to be remembered, any engine will do, and a move in a match looks exactly like
the same position asked as a problem.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from typing import Protocol

from ponder.problems.games.game import Game
from ponder.protocols import Propose
from ponder.thinking import final_answer, reading_of
from ponder.types import EngineError, PonderError, Problem, Trajectory

SECONDS = 600.0


class SeatFailed(Exception):
    """A player broke down; the text says how. This is no move, and nobody wins by it."""


@dataclass(frozen=True)
class Said:
    """What a player answered. `answer` None: nothing that could be read; `trajectory` None: no policy drew it."""

    answer: str | None
    trajectory: Trajectory | None = None


class Player(Protocol):
    """Moves for a seat. Raises `SeatFailed` if it broke."""

    async def move(self, game: Game, state: str, asked: Problem, seed: int) -> Said: ...


@dataclass(frozen=True)
class PolicyPlayer:
    """The policy, with at most `max_tokens` tokens a move. A move that is cut is no move."""

    propose: Propose
    max_tokens: int
    seconds: float = SECONDS

    async def move(self, game: Game, state: str, asked: Problem, seed: int) -> Said:
        try:
            async with asyncio.timeout(self.seconds):
                leaves = await self.propose(asked.question, None, 1, until="end", max_tokens=self.max_tokens, seed=seed)
        except EngineError as error:  # another call may fare better; other PonderErrors are something to act on
            raise SeatFailed(f"EngineError: {error}") from error
        except PonderError:
            raise
        except TimeoutError as error:
            raise SeatFailed(f"no move within {self.seconds:g} s") from error
        except Exception as error:  # whatever breaks behind a seat must not end a training, nor become a reward
            raise SeatFailed(f"{type(error).__name__}: {error}") from error
        if not leaves:
            raise SeatFailed("the policy drew nothing")
        trajectory = Trajectory(asked.question, leaves[0])
        text = reading_of(self.propose)(trajectory)
        return Said(final_answer(text) if trajectory.finished else None, trajectory)


class RandomPlayer:
    """Any legal move, all equally likely."""

    async def move(self, game: Game, state: str, asked: Problem, seed: int) -> Said:
        return Said(random.Random(seed).choice(game.moves(state)))


class PerfectPlayer:
    """The solver's strategy, mixed where it must be."""

    async def move(self, game: Game, state: str, asked: Problem, seed: int) -> Said:
        strategy = game.perfect(state)
        return Said(random.Random(seed).choices(list(strategy), weights=list(strategy.values()))[0])
