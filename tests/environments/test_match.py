"""Matches between seats: results, illegal moves, seats that break down, and the groups to learn from."""

from __future__ import annotations

import random
from functools import cache
from typing import Any

import pytest

from ponder.algorithms.role_baseline import role_of
from ponder.engines.loop import run as run_async
from ponder.engines.scripted import ScriptedEngine
from ponder.environments import Match, Retry, SingleTurn
from ponder.environments.match.play import Played, play
from ponder.environments.match.players import PerfectPlayer, Player, PolicyPlayer, RandomPlayer, Said, SeatFailed
from ponder.models.load import load
from ponder.policy.codec import Codec
from ponder.policy.propose import PolicyPropose
from ponder.problems.games.game import Game
from ponder.problems.games.known import GAMES
from ponder.problems.splits import split_of
from ponder.protocols import Propose, Together
from ponder.rollout.collect import Collected, collect
from ponder.rollout.sources import FixedProblems
from ponder.search.registry import make
from ponder.selfplay.games.standing import poker, standing
from ponder.types import EngineError, Key, PonderError, Problem, Question, Verdict
from ponder.verifiers.votes import canonical_answer
from tests.selfplay import test_loop as loop

NIM = GAMES["nim"]


class Says:
    """A player who says the next of its lines, or breaks."""

    def __init__(self, *lines: str | None) -> None:
        self.lines = list(lines)

    async def move(self, game: Game, state: str, asked: Problem, seed: int) -> Said:
        line = self.lines.pop(0)
        if line == "break":
            raise SeatFailed("it broke")
        return Said(line)


def match(state: str, first: Player, second: Player, game: Game = NIM) -> Played:
    played: Played = run_async(play(game, state, (first, second), name="m", level=3, seed=0))
    return played


@cache
def codec_of() -> Codec:
    return Codec(load("tiny").tokenizer)


def policy(script: Any, **options: Any) -> Propose:
    codec = codec_of()
    return PolicyPropose(ScriptedEngine(codec, script, **options), codec, canonical_answer)


def mover(prompt: str, rng: random.Random) -> str:
    """Takes one from the first heap that holds any."""
    heaps = [int(heap) for heap in prompt.rpartition("heaps ")[2].partition(".")[0].split(", ")]
    return f"thinking\n</think>take 1 from heap {next(at for at, heap in enumerate(heaps, 1) if heap)}"


def never(problems: Any, responses: Any) -> list[Verdict]:
    raise AssertionError("a match is judged by its result and by no grader")


def matches(
    problems: list[Problem], script: Any, *, size: int = 2, environment: Any = None, **options: Any
) -> Collected:
    drawn = collect(
        problems,
        policy(script, **options),
        never,
        group_size=size,
        max_tokens=60,
        seed=0,
        environment=environment or Match(),
    )
    found: Collected = run_async(drawn)
    return found


def test_the_last_object_wins_and_outcomes_sum_to_one() -> None:
    played = match("1,1,0/0", Says("take 1 from heap 1"), Says("take 1 from heap 2"))
    assert (played.end, played.payoff) == ("over", -1.0)
    assert [played.outcome(0), played.outcome(1)] == [0.0, 1.0]
    assert [played.verdict(0).outcome, played.verdict(1).outcome] == [0.0, 1.0]


@pytest.mark.parametrize(
    ("line", "end", "detail"),
    [
        ("take 2 from heap 1", "illegal", "illegal move: lost by rule"),  # the heap holds one
        ("take one", "illegal", "illegal move: lost by rule"),
        (None, "none", "no move: lost by rule"),
    ],
)
def test_who_makes_no_legal_move_loses_by_rule(line: str | None, end: str, detail: str) -> None:
    played = match("1,1,0/0", Says("take 1 from heap 1"), Says(line))
    assert played.end == end
    assert played.verdict(1) == Verdict(outcome=0.0, detail=detail)
    assert played.verdict(0).outcome == 1.0


def test_a_seat_that_breaks_down_gives_a_failure_to_both_and_a_reward_to_nobody() -> None:
    played = match("1,1,1/0", Says("take 1 from heap 1"), Says("break"))
    assert (played.end, played.payoff) == ("failed", None)
    assert played.verdict(0).failure == "seat"
    assert played.verdict(0).outcome is None
    assert "it broke" in played.verdict(0).detail


def test_perfect_play_wins_every_won_position_and_draws_at_tictactoe() -> None:
    perfect, other = PerfectPlayer(), RandomPlayer()
    for index in range(5):
        state = str(NIM.problem(index).key.data["state"])
        assert match(state, perfect, other).payoff == 1.0
        assert match(state, perfect, perfect).payoff == 1.0
    board = GAMES["tictactoe"]
    assert match("." * 9, perfect, perfect, board).payoff == 0.0


def test_matches_become_groups_by_seat_and_position() -> None:
    problem = next(
        p for p in (NIM.problem(i) for i in range(50)) if max(map(int, state(p).split("/")[0].split(","))) < 9
    )
    found = matches([problem], mover, size=3)
    first = found.groups[0]
    assert first.problem.question.text == problem.question.text
    assert len(first.trajectories) == 3  # all matches begin in one position
    for group in found:
        assert len({t.question.text for t in group.trajectories}) == 1
        assert group.problem.level == problem.level
        game_state = state(group.problem)
        assert split_of(NIM.content(game_state)) == split_of(NIM.content(state(problem)))
    # Both seats move alike, so every match ends alike: by parity of the objects.
    objects = sum(map(int, state(problem).split("/")[0].split(",")))
    assert found.metrics["nim/first_seat"] == float(objects % 2)
    assert found.metrics["nim/moves"] == objects
    by_role = {group.problem.key.data["role"]: {v.outcome for v in group.verdicts} for group in found}
    assert by_role["nim seat 0"] == {float(objects % 2)}
    assert by_role["nim seat 1"] == {1.0 - objects % 2}
    assert found.usage.kept > 0


def state(problem: Problem) -> str:
    return str(problem.key.data["state"])


def test_the_same_seed_plays_the_same_matches() -> None:
    def careless(prompt: str, rng: random.Random) -> str:
        return f"</think>take {rng.randint(1, 3)} from heap {rng.randint(1, 3)}"

    problems = [NIM.problem(index) for index in range(4)]
    one, two = (matches(problems, careless) for _ in range(2))
    assert [[t.text for t in g.trajectories] for g in one] == [[t.text for t in g.trajectories] for g in two]
    assert one.metrics["nim/illegal"] > 0


def test_an_engine_that_fails_is_a_typed_failure_of_its_match_alone() -> None:
    problems = [NIM.problem(index) for index in range(2)]
    found = matches(problems, mover, size=1, faults={2: EngineError("the server is down")})
    failures = [v.failure for g in found for v in g.verdicts]
    assert set(failures) == {None, "seat"}
    assert found.metrics["nim/failed"] == 0.5
    assert "nim/first_seat" in found.metrics


def test_against_a_fixed_opponent_only_the_policy_is_learned_from() -> None:
    problem = NIM.problem(0)
    found = matches([problem], mover, size=4, environment=Match(opponent="perfect"))
    roles = {group.problem.key.data["role"] for group in found}
    assert roles == {"nim seat 0", "nim seat 1"}  # seats in turn
    second = [v.outcome for g in found if g.problem.key.data["role"] == "nim seat 1" for v in g.verdicts]
    assert set(second) == {0.0}  # a won position, and the opponent never lets go


def test_a_hidden_card_stays_hidden() -> None:
    seen: list[str] = []

    def bold(prompt: str, rng: random.Random) -> str:
        seen.append(prompt)
        return "</think>call" if "bet." in prompt else "</think>bet"

    found = matches([GAMES["kuhn"].problem(0)], bold, size=6)
    assert all(prompt.count("You hold") == 1 for prompt in seen)
    assert {v.outcome for g in found for v in g.verdicts} == {0.0, 1.0}  # every bet is called: two chips
    assert found.metrics["kuhn/moves"] == 2.0


def test_no_match_without_a_game_and_no_search_over_one() -> None:
    with pytest.raises(PonderError, match="sums is no two-seat game"):
        matches([Problem(Question("a", "sums", "1+1"), Key("2"))], mover)
    with pytest.raises(PonderError, match="several come about together"):
        run_async(
            collect(
                [NIM.problem(0)],
                policy(mover),
                never,
                group_size=2,
                max_tokens=60,
                seed=0,
                environment=Match(),
                strategy=make("vote", max_tokens=60),
                budget=200,
            )
        )
    assert isinstance(Match(), Together)
    assert not isinstance(SingleTurn(), Together)
    assert not isinstance(Retry(), Together)


def test_a_policy_that_plays_kuhn_perfectly_is_measured_as_hard_to_exploit() -> None:
    perfect, random_player = PerfectPlayer(), RandomPlayer()
    decks = [GAMES["kuhn"].problem(index, split="validation") for index in range(4)]
    good: dict[str, float] = run_async(poker(decks, perfect, seed=0, answers=200))
    bad: dict[str, float] = run_async(poker(decks, random_player, seed=0, answers=200))
    assert good["exploitability"] < 0.05 < 0.3 < bad["exploitability"]
    assert good["value"] == pytest.approx(-1 / 18, abs=0.05)
    assert good["illegal"] == 0.0


def test_the_standing_measures_games_and_nothing_else() -> None:
    problems = [NIM.problem(index, split="validation") for index in range(6)]
    other = Problem(Question("a", "sums", "1+1"), Key("2"))
    found: dict[str, float] = run_async(standing([other, *problems], policy(mover), max_tokens=60, seed=0))
    assert set(found) == {"nim/against random", "nim/against perfect"}
    assert found["nim/against perfect"] <= 0.5
    broken = policy(mover, faults={n: EngineError("down") for n in range(5000)})
    assert run_async(standing(problems, broken, max_tokens=60, seed=0)) == {}


def test_a_policy_player_has_a_deadline() -> None:
    player = PolicyPlayer(policy(mover, faults={0: "hang"}), 60, seconds=0.05)
    problem = NIM.problem(0)
    with pytest.raises(SeatFailed, match=r"no move within 0\.05 s"):
        run_async(player.move(NIM, state(problem), problem, 0))


def test_a_round_of_the_loop_learns_from_matches_and_measures_the_standing() -> None:
    made = loop.play(
        script=mover,
        environment={"kind": "match"},
        algorithm={"kind": "role_baseline"},
        sampling={"problems": 4, "group_size": 2, "max_tokens": 60},
    )
    problems = [NIM.problem(index) for index in range(8)]
    made.source, made.ladder = FixedProblems(problems, seed=0), problems[:2]
    made.grade = lambda some, said: [NIM.grade(p, s) for p, s in zip(some, said, strict=True)]
    made.watch.grade = made.grade
    row = made.play(0)
    assert {"nim/first_seat", "role/nim seat 0", "nim/against random", "nim/against perfect"} <= set(row["metrics"])
    # No grader of answers is asked to confirm the result of a match.
    assert "unconfirmed verdicts" not in {alarm["counter"] for alarm in row["watch"]["alarms"]}
    assert any(loop.recorded(made).updates)
    groups = [group for update in made.played for group in update]
    assert {role_of(group.problem) for group in groups} == {"nim seat 0", "nim seat 1"}
