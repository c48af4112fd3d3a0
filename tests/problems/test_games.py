"""Rules and exact solvers of the two-seat games, against solutions that are known."""

from __future__ import annotations

import random
from fractions import Fraction
from functools import cache

import pytest

from ponder.problems.games import kuhn_solver as kuhn
from ponder.problems.games.game import Game
from ponder.problems.games.known import GAMES
from ponder.problems.games.kuhn import Kuhn
from ponder.problems.games.nim import Nim, state_of
from ponder.problems.games.tictactoe import EMPTY, TicTacToe, best, value
from ponder.problems.registry import parse
from ponder.problems.selfcheck import check
from ponder.types import PonderError


@pytest.mark.parametrize("name", list(GAMES))
def test_every_game_proves_itself_as_a_family(name: str) -> None:
    report = check(parse(name), n=15)
    assert report.ok, report.faults


@cache
def _first_wins(heaps: tuple[int, ...]) -> bool:
    """By trying everything: a seat that has a move to a lost position wins."""
    after = [
        tuple(sorted((*heaps[:at], left, *heaps[at + 1 :]))) for at, heap in enumerate(heaps) for left in range(heap)
    ]
    return any(not _first_wins(some) for some in after)


def test_the_nim_sum_agrees_with_trying_everything() -> None:
    nim = Nim()
    for heaps in [(a, b, c) for a in range(5) for b in range(5) for c in range(1, 5)]:
        state = state_of(list(heaps), 0)
        for move in nim.moves(state):
            left = tuple(int(heap) for heap in nim.after(state, move).partition("/")[0].split(","))
            keeps = not _first_wins(tuple(sorted(left)))
            if _first_wins(tuple(sorted(heaps))):
                assert (move in nim.good(state)) == keeps, (state, move)


def test_nim_3_4_5_is_won_by_taking_two_from_the_first_heap_alone() -> None:
    assert Nim().good("3,4,5/0") == {"take 2 from heap 1"}


def test_nim_is_lost_by_who_finds_nothing() -> None:
    nim = Nim()
    end = nim.after("1,0,0/1", "take 1 from heap 1")
    assert nim.turn(end) is None
    assert nim.payoff(end) == -1.0  # seat 1 took the last one


@pytest.mark.parametrize(
    ("answer", "move"),
    [
        ("take 2 from heap 1", "take 2 from heap 1"),
        ("Take 2 from heap 1.", "take 2 from heap 1"),
        ("take 02 from heap 1", "take 2 from heap 1"),
        ("take 2 from heap 1 or 2", None),
        ("I take 2 from heap 1", None),
        ("2", None),
        ("take -2 from heap 1", None),
        ("", None),
    ],
)
def test_a_nim_move_is_the_whole_answer(answer: str, move: str | None) -> None:
    assert Nim().read(answer) == move


def test_tictactoe_is_a_draw_and_only_the_middle_answers_a_corner() -> None:
    assert value(EMPTY) == 0
    assert best(EMPTY) == tuple(range(9))
    assert best("X........") == (4,)
    assert TicTacToe().good("XX.OO....") == {"3"}  # X wins at once
    assert TicTacToe().good("X.X.O....") == {"2"}  # O must block


def test_two_boards_that_are_turned_or_mirrored_are_one_problem() -> None:
    game = TicTacToe()
    assert len({game.content(board) for board in ("X........", "..X......", "......X..", "........X")}) == 1
    assert game.content("X........") != game.content(".X.......")


def test_the_value_of_kuhn_poker_is_minus_one_eighteenth_at_every_equilibrium() -> None:
    for a in (0.0, 0.1, 1 / 3):
        strategy = kuhn.equilibrium(a)
        assert kuhn.value(strategy) == pytest.approx(float(Fraction(-1, 18)), abs=1e-12)
        assert kuhn.exploitability(strategy) == pytest.approx(0.0, abs=1e-12)


def test_exploitability_of_strategies_worked_out_by_hand() -> None:
    # Never bold: seat 0 may bet every hand and wins the ante each time, and so may seat 1 after a check.
    never = dict.fromkeys(kuhn.INFOS, 0.0)
    assert kuhn.best_response(never, 0) == 1.0
    assert kuhn.best_response(never, 1) == 1.0
    assert kuhn.exploitability(never) == 1.0
    # Always bold: every bet is called. Seat 0 can bet the highest card (+2), fold the lowest after checking (-1), and
    # breaks even with the middle one: (2 - 1 + 0) / 3.
    always = dict.fromkeys(kuhn.INFOS, 1.0)
    assert kuhn.best_response(always, 0) == pytest.approx(1 / 3)
    # Beyond the line of equilibria: betting the lowest card half of the time loses.
    assert kuhn.exploitability({**kuhn.equilibrium(), (0, 0, ""): 0.5}) > 0.005


def test_no_mixture_does_better_than_the_best_pure_response() -> None:
    rng = random.Random(0)
    for _ in range(20):
        strategy = {info: rng.random() for info in kuhn.INFOS}
        best_value = kuhn.best_response(strategy, 0)
        for _ in range(5):
            mine = {info: rng.random() for info in kuhn.INFOS if info[0] == 0}
            assert kuhn.value({**strategy, **mine}) <= best_value + 1e-12


def test_good_moves_of_kuhn_are_those_that_an_equilibrium_makes() -> None:
    game = Kuhn()
    assert game.good("3,7,9/7,3/") == {"check"}  # the middle card never opens
    assert game.good("3,7,9/3,7/") == {"bet", "check"}  # the lowest may bluff
    assert game.good("3,7,9/9,3/cb") == {"call"}
    assert game.good("3,7,9/7,3/b") == {"fold"}  # seat 1 holds the lowest card
    assert game.sight("3,7,9/7,3/cb") == "Kuhn poker: cards 3, 7, 9. You hold 7. You checked. Opponent bet."
    assert game.sight("3,7,9/7,3/b") == game.sight("3,7,9/9,3/b")  # what the other holds is hidden


@pytest.mark.parametrize("name", list(GAMES))
def test_perfect_play_never_leaves_the_good_moves_and_every_match_ends(name: str) -> None:
    game: Game = GAMES[name]
    rng = random.Random(1)
    for index in range(10):
        state = game.start(str(game.problem(index).key.data["state"]), rng)
        for _ in range(200):
            if game.turn(state) is None:
                break
            strategy = game.perfect(state)
            assert set(strategy) <= game.good(state) <= set(game.moves(state))
            assert sum(strategy.values()) == pytest.approx(1.0)
            state = game.after(state, rng.choices(list(strategy), list(strategy.values()))[0])
        assert game.turn(state) is None
        assert -1.0 <= game.payoff(state) <= 1.0


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("nim?heaps=1", "heaps=1; allowed are 2 to 9"),
        ("kuhn?largest=3", "allowed are 8"),
        ("tictactoe?plies=9", "1 to 7"),
    ],
)
def test_settings_out_of_range_are_refused(spec: str, says: str) -> None:
    with pytest.raises(PonderError, match=says):
        parse(spec)
