"""Where a policy stands in its games, against opponents that do not learn.

    random, perfect   mean outcome (1 win, 1/2 draw, 0 loss) of one match from each position, seats in turn
    exploitability    Kuhn poker: chips a game that exact best responses win against the policy, 0 at an equilibrium
    value             Kuhn poker: chips of seat 0 when the policy plays itself; -1/18 at an equilibrium

Against itself a policy wins half of its matches however it plays, so the result of self-play says nothing of progress.
The policy's strategy in Kuhn poker is estimated from `ANSWERS` answers at each of the twelve information sets, over
several decks; answers that are no legal move are left out of the estimate and counted (`illegal`). The estimate is
noisy, and noise makes a strategy look more exploitable than it is (a best response exploits the noise too).
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from ponder.environments.match.environment import FIXED
from ponder.environments.match.play import Played, play
from ponder.environments.match.players import Player, PolicyPlayer, SeatFailed
from ponder.problems.games import kuhn_solver
from ponder.problems.games.known import game_of
from ponder.problems.games.kuhn import Hand, Kuhn
from ponder.protocols import Propose
from ponder.search.common import together
from ponder.seeds import derive_seed
from ponder.types import Problem

ANSWERS = 24


async def standing(
    problems: Sequence[Problem], propose: Propose, *, max_tokens: int, seed: int, answers: int = ANSWERS
) -> dict[str, float]:
    """Metrics of a round: `nim/against random`, `kuhn/exploitability` and so on. Problems of no game are left out.

    The same seed asks the same positions with the same deals. What could not be measured at all is absent.
    """
    player = PolicyPlayer(propose, max_tokens)
    games: dict[str, list[Problem]] = {}
    for problem in problems:
        if "game" in problem.key.data:
            games.setdefault(problem.family, []).append(problem)
    found: dict[str, float] = {}
    for name, some in games.items():
        for opponent, other in FIXED.items():
            outcome = await _against(player, other, some, seed)
            found |= {} if outcome is None else {f"{name}/against {opponent}": outcome}
        if isinstance(game_of(some[0]), Kuhn):
            measured = await poker(some, player, seed=seed, answers=answers)
            found |= {f"{name}/{what}": value for what, value in measured.items()}
    return found


async def _against(player: Player, other: Player, starts: Sequence[Problem], seed: int) -> float | None:
    """The mean outcome of `player` over the matches that have a result; None if all broke down."""
    played = await together([_one(player, other, problem, at, seed) for at, problem in enumerate(starts)])
    outcomes = [match.outcome(at % 2) for at, match in enumerate(played)]
    known = [outcome for outcome in outcomes if outcome is not None]
    return sum(known) / len(known) if known else None


async def _one(player: Player, other: Player, problem: Problem, at: int, seed: int) -> Played:
    game, seed = game_of(problem), derive_seed("standing", seed, problem.id)
    state = game.start(str(problem.key.data["state"]), random.Random(seed))
    players = (player, other) if at % 2 == 0 else (other, player)
    return await play(game, state, players, name=f"{problem.id}/standing", level=problem.level, seed=seed)


async def poker(decks: Sequence[Problem], player: Player, *, seed: int, answers: int = ANSWERS) -> dict[str, float]:
    """Exploitability and value of the strategy that `player` is seen to play in Kuhn poker, with decks of `decks`."""
    hands = [Hand.of(str(problem.key.data["state"])).deck for problem in decks]
    asked = [
        (info, _state(hands[at % len(hands)], info, at), at) for info in kuhn_solver.INFOS for at in range(answers)
    ]
    said = await together([_move(player, info, state, at, seed) for info, state, at in asked])
    moves: dict[kuhn_solver.Info, list[bool]] = {info: [] for info in kuhn_solver.INFOS}
    for (info, state, _), move in zip(asked, said, strict=True):
        if move is not None:
            moves[info].append(move == Kuhn().moves(state)[0])
    return {**solved(moves), "illegal": sum(move is None for move in said) / len(said)}


def solved(moves: Mapping[kuhn_solver.Info, Sequence[bool]]) -> dict[str, float]:
    """Exploitability and value of the strategy of which `moves` are draws (true: bet or call).

    Where nothing legal was said both moves are taken as equally likely.
    """
    strategy = {info: sum(some) / len(some) if some else 0.5 for info, some in moves.items()}
    return {"exploitability": kuhn_solver.exploitability(strategy), "value": kuhn_solver.value(strategy)}


async def _move(player: Player, info: kuhn_solver.Info, state: str, at: int, seed: int) -> str | None:
    game, name = Kuhn(), "-".join(map(str, info))
    asked = game.asked(state, f"kuhn-standing-{name}-{at}", game.level)
    try:
        said = await player.move(game, state, asked, derive_seed("poker", seed, name, at))
    except SeatFailed:
        return None
    move = None if said.answer is None else game.read(said.answer)
    return move if move in game.moves(state) else None


def _state(deck: tuple[int, ...], info: kuhn_solver.Info, at: int) -> str:
    """A deal of `deck` in which the seat to move holds a card of the rank that `info` names."""
    seat, rank, done = info
    other = [card for card in deck if card != deck[rank]][at % 2]
    return Hand(deck, (deck[rank], other) if seat == 0 else (other, deck[rank]), done).text
