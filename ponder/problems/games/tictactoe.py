"""Tic-tac-toe, solved by minimax over all 5,478 positions (with memory, some milliseconds).

A state is the board of nine cells, `X`, `O` or `.`; seat 0 plays X and moves when both have as many marks.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from functools import cache

from ponder.problems.games.game import Game
from ponder.types import PonderError

_MOVE = re.compile(r"(?:cell )?([1-9])\.?", re.IGNORECASE)
LINES = ((0, 1, 2), (3, 4, 5), (6, 7, 8), (0, 3, 6), (1, 4, 7), (2, 5, 8), (0, 4, 8), (2, 4, 6))
_TURNED = (6, 3, 0, 7, 4, 1, 8, 5, 2)
_MIRRORED = (2, 1, 0, 5, 4, 3, 8, 7, 6)
EMPTY = "." * 9


@dataclass(frozen=True)
class TicTacToe(Game):
    """Tic-tac-toe positions after at most `plies` random moves."""

    plies: int = 5
    name: str = "tictactoe"
    instructions = (
        "Two players, X and O, take turns to mark a free cell of a board of three by three; X begins. Three marks in a "
        "row, a column or a diagonal win. Free cells are shown by their number. After your thinking, answer with the "
        "number of a free cell alone, for example: 5"
    )

    def __post_init__(self) -> None:
        if not 1 <= self.plies <= 7:
            raise PonderError(f"tictactoe: plies={self.plies}; allowed are 1 to 7")

    @property
    def level(self) -> int:
        return self.plies

    def turn(self, state: str) -> int | None:
        return None if winner(state) or "." not in state else int(state.count("X") > state.count("O"))

    def moves(self, state: str) -> tuple[str, ...]:
        return tuple(str(cell + 1) for cell, mark in enumerate(state) if mark == ".")

    def after(self, state: str, move: str) -> str:
        return _marked(state, int(move) - 1)

    def payoff(self, state: str) -> float:
        return {"X": 1.0, "O": -1.0, "": 0.0}[winner(state)]

    def sight(self, state: str) -> str:
        shown = [str(cell + 1) if mark == "." else mark for cell, mark in enumerate(state)]
        board = "/".join("".join(shown[row : row + 3]) for row in (0, 3, 6))
        return f"Tic-tac-toe: {board}. You are {'XO'[self.turn(state) or 0]}."

    def read(self, answer: str) -> str | None:
        found = _MOVE.fullmatch(answer.strip())
        return found[1] if found else None

    def good(self, state: str) -> frozenset[str]:
        return frozenset(str(cell + 1) for cell in best(state))

    def position(self, rng: random.Random) -> str | None:
        state = EMPTY
        for _ in range(rng.randint(0, self.plies)):
            if self.turn(state) is None:
                return None
            state = self.after(state, rng.choice(self.moves(state)))
        over = self.turn(state) is None
        return None if over or len(self.good(state)) == len(self.moves(state)) else state

    def content(self, state: str) -> str:
        """The same board however it is turned or mirrored."""
        seen = []
        for _ in range(4):
            state = "".join(state[cell] for cell in _TURNED)
            seen += [state, "".join(state[cell] for cell in _MIRRORED)]
        return min(seen)

    def thought(self, state: str, move: str) -> str:
        """What wins at once and what must be blocked, then the cell."""
        mine = "XO"[self.turn(state) or 0]
        wins, blocks = _completing(state, mine), _completing(state, "OX"["XO".index(mine)])
        return f"win {wins or 'none'}\nblock {blocks or 'none'}\nbest {move}\n"


@cache
def winner(state: str) -> str:
    """`X`, `O`, or nothing."""
    return next((state[a] for a, b, c in LINES if state[a] != "." and state[a] == state[b] == state[c]), "")


@cache
def value(state: str) -> int:
    """The payoff of seat 0 under perfect play: 1, 0 or -1."""
    won = winner(state)
    if won or "." not in state:
        return {"X": 1, "O": -1, "": 0}[won]
    choose = min if state.count("X") > state.count("O") else max
    return choose(value(_marked(state, cell)) for cell in _free(state))


@cache
def best(state: str) -> tuple[int, ...]:
    """The free cells (from 0) whose value is that of the position."""
    return tuple(cell for cell in _free(state) if value(_marked(state, cell)) == value(state))


def _free(state: str) -> list[int]:
    return [cell for cell, mark in enumerate(state) if mark == "."]


def _marked(state: str, cell: int) -> str:
    mark = "O" if state.count("X") > state.count("O") else "X"
    return f"{state[:cell]}{mark}{state[cell + 1 :]}"


def _completing(state: str, mark: str) -> str:
    """The free cells (from 1) that complete a line of `mark`."""
    marked = (f"{state[:cell]}{mark}{state[cell + 1 :]}" for cell in _free(state))
    return ",".join(str(cell + 1) for cell, board in zip(_free(state), marked, strict=True) if winner(board) == mark)
