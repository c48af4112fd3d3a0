"""Self-play of two-seat games: every problem is the start of matches, and only their results are paid.

    ponder run --problems nim --set environment.kind=match --set algorithm.kind=role_baseline

Both seats are the policy, each move an answer of its own to the position that the seat sees. Answers of one seat to one
position, over all matches from one start, become a group. Many groups hold one answer: `role_baseline` compares by role
and learns from all of them, a group-relative algorithm from few.

Splits cannot overlap: a position that belongs to another split than the start of its match is played and not learned
from, since an evaluation might ask it.
"""

from __future__ import annotations

import random
from dataclasses import replace
from typing import ClassVar, Literal

from ponder.environments.environment import EnvironmentSettings
from ponder.environments.match.play import Played, play
from ponder.environments.match.players import PerfectPlayer, Player, PolicyPlayer, RandomPlayer
from ponder.problems.games.known import game_of
from ponder.problems.splits import split_of
from ponder.protocols import Joint, Propose
from ponder.seeds import derive_seed
from ponder.types import Problem

FIXED: dict[str, Player] = {"random": RandomPlayer(), "perfect": PerfectPlayer()}


class Match(EnvironmentSettings):
    """Matches of a two-seat game: both seats are the policy, or one of them a fixed opponent.

    `opponent` random or perfect sits in seat 1 of every other match and in seat 0 of the rest.
    """

    kind: Literal["match"] = "match"
    opponent: Literal["self", "random", "perfect"] = "self"
    source: ClassVar[str] = "SPIRAL (arXiv 2506.24119)"

    async def joint(self, problem: Problem, member: int, propose: Propose, *, max_tokens: int, seed: int) -> Joint:
        """The match number `member` from `problem`; see `protocols.Together`."""
        game = game_of(problem)
        policy = PolicyPlayer(propose, max_tokens)
        seed = derive_seed("match", seed, problem.id, member)
        state = game.start(str(problem.key.data["state"]), random.Random(seed))
        other = policy if self.opponent == "self" else FIXED[self.opponent]
        players: tuple[Player, Player] = (policy, other) if member % 2 == 0 else (other, policy)
        played = await play(game, state, players, name=f"{problem.id}/m{member}", level=problem.level, seed=seed)
        split = split_of(game.content(state))
        learned = tuple(
            (_of_a_match(moved.asked), moved.trajectory, played.verdict(at))
            for at, moved in enumerate(played.moves)
            if moved.trajectory is not None and split_of(game.content(moved.state)) == split
        )
        cost = sum(len(moved.trajectory) for moved in played.moves if moved.trajectory is not None)
        return Joint(learned, float(cost), len(played.moves), _metrics(played))


def _of_a_match(asked: Problem) -> Problem:
    """The position, marked as one whose verdict is the result of a match and not the solver's."""
    return Problem(asked.question, replace(asked.key, data={**asked.key.data, "match": True}))


def _metrics(played: Played) -> dict[str, float]:
    """Numbers of one match; the log holds their means over matches."""
    name, first = played.game.name, played.outcome(0)
    ends = {f"{name}/{end}": float(played.end == end) for end in ("illegal", "none", "failed")}
    result = {} if first is None else {f"{name}/first_seat": first, f"{name}/draws": float(played.payoff == 0)}
    return {**ends, **result, f"{name}/moves": float(len(played.moves))}
