"""The games by name, for whoever meets a problem that names one in its key. Rules do not depend on the settings."""

from __future__ import annotations

from ponder.names import pick
from ponder.problems.games.game import Game
from ponder.problems.games.kuhn import Kuhn
from ponder.problems.games.nim import Nim
from ponder.problems.games.tictactoe import TicTacToe
from ponder.types import PonderError, Problem

GAMES: dict[str, Game] = {game.name: game for game in (Nim(), TicTacToe(), Kuhn())}


def game_of(problem: Problem) -> Game:
    """The game whose position `problem` is. PonderError if it is of none."""
    name = problem.key.data.get("game")
    if not isinstance(name, str):
        raise PonderError(
            f"{problem.family} is no two-seat game, so no match can be played from {problem.id}; the environment match "
            f"takes --problems {', '.join(GAMES)}"
        )
    return pick("game", name, GAMES)
