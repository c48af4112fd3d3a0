"""One match between two players.

    illegal  a seat answered something that is no legal move here: it loses, by rule
    none     a seat gave no answer (nothing behind its thinking, or it was cut): it loses likewise
    failed   a player broke down: the match has no result, every move of it has the failure "seat"

The outcome of a seat is (1 + payoff) / 2: 1 for a win, 1/2 for a draw, 0 for a loss; those of both seats sum to 1.
"""

from __future__ import annotations

from dataclasses import dataclass

from ponder.environments.match.players import Player, SeatFailed
from ponder.problems.games.game import Game
from ponder.seeds import derive_seed
from ponder.types import PonderError, Problem, Trajectory, Verdict

MOST_MOVES = 500


@dataclass(frozen=True)
class Moved:
    """One answer of one seat: the position as a problem, what was drawn, the legal move (None: it was none)."""

    seat: int
    state: str
    asked: Problem
    trajectory: Trajectory | None
    move: str | None


@dataclass(frozen=True)
class Played:
    """A match. `payoff` is that of seat 0 in [-1, 1]; None: a player broke down, as `fault` says.

    `end` is how it ended: over, illegal, none or failed.
    """

    game: Game
    moves: tuple[Moved, ...]
    payoff: float | None
    end: str
    fault: str = ""

    def outcome(self, seat: int) -> float | None:
        """1.0 for a win of `seat`, 0.5 for a draw, 0.0 for a loss; None without a result."""
        return None if self.payoff is None else (1.0 + (self.payoff if seat == 0 else -self.payoff)) / 2

    def verdict(self, at: int) -> Verdict:
        """The verdict on the move at place `at`: what the match brought to the seat that made it."""
        moved = self.moves[at]
        outcome = self.outcome(moved.seat)
        if outcome is None:
            return Verdict(failure="seat", detail=self.fault, extracted=moved.move)
        detail = ""
        if moved.move is None:
            detail = "no move: lost by rule" if self.end == "none" else "illegal move: lost by rule"
        return Verdict(outcome=outcome, extracted=moved.move, detail=detail)


async def play(game: Game, state: str, players: tuple[Player, Player], *, name: str, level: int, seed: int) -> Played:
    """Play from `state` to the end. `name` is that of the match: each move is asked under a name of its own."""
    moves: list[Moved] = []
    while (seat := game.turn(state)) is not None:
        if len(moves) >= MOST_MOVES:
            raise PonderError(f"{game.name}: a match of {MOST_MOVES} moves is not over; its rules must end every match")
        asked = game.asked(state, f"{name}-{len(moves)}", level)
        try:
            said = await players[seat].move(game, state, asked, derive_seed("move", seed, len(moves)))
        except SeatFailed as error:
            return Played(game, tuple(moves), None, "failed", f"seat {seat}: {error}")
        move = None if said.answer is None else game.read(said.answer)
        legal = move if move in game.moves(state) else None
        moves.append(Moved(seat, state, asked, said.trajectory, legal))
        if legal is None:
            lost = -1.0 if seat == 0 else 1.0
            return Played(game, tuple(moves), lost, "none" if said.answer is None else "illegal")
        state = game.after(state, legal)
    return Played(game, tuple(moves), game.payoff(state), "over")
