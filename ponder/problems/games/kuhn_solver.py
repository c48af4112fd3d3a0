"""Kuhn poker exactly: values of strategies, best responses, exploitability, and the equilibria.

An information set is (seat, rank of the own card, what was done); a strategy gives the chance of the bold move there
(bet or call). There are twelve: each seat has two for each rank. Values are in chips for seat 0, exact over the six
deals. A best response is found among the 64 pure strategies of a seat, all of them.

The equilibria form a line (Kuhn 1950): seat 0 bets its lowest card with chance a in [0, 1/3], its highest with 3a, and
calls with the middle one with a + 1/3; seat 1 bets its lowest card after a check with 1/3 and calls with its middle one
with 1/3. The value of the game is -1/18.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from functools import cache
from itertools import permutations, product

Info = tuple[int, int, str]  # seat, rank, what was done
Strategy = Mapping[Info, float]

INFOS: tuple[Info, ...] = tuple(
    (seat, rank, done) for seat, dones in ((0, ("", "cb")), (1, ("c", "b"))) for rank in range(3) for done in dones
)
DEALS = tuple(permutations(range(3), 2))
VALUE = Fraction(-1, 18)
_OVER = ("cc", "bf", "bk", "cbf", "cbk")


def over(done: str) -> bool:
    return done in _OVER


def chips(done: str, higher: bool) -> int:
    """What seat 0 wins at the end; `higher`: it holds the higher card."""
    if done.endswith("f"):
        return 1 if done == "bf" else -1
    return (2 if done.endswith("k") else 1) * (1 if higher else -1)


def value(strategy: Strategy) -> float:
    """The expected chips of seat 0 when both seats follow `strategy`."""
    return sum(_value(strategy, deal, "") for deal in DEALS) / len(DEALS)


def _value(strategy: Strategy, deal: tuple[int, ...], done: str) -> float:
    if over(done):
        return float(chips(done, deal[0] > deal[1]))
    seat = len(done) % 2
    bold = strategy[seat, deal[seat], done]
    bolder, meeker = ("k", "f") if done.endswith("b") else ("b", "c")
    found = 0.0
    for chance, letter in ((bold, bolder), (1 - bold, meeker)):
        if chance:
            found += chance * _value(strategy, deal, done + letter)
    return found


def best_response(strategy: Strategy, seat: int) -> float:
    """The most chips that `seat` can win against the other seat's part of `strategy`."""
    sign = 1 if seat == 0 else -1
    return max(sign * value({**strategy, **pure}) for pure in _pure(seat))


def exploitability(strategy: Strategy) -> float:
    """Chips a game that best responses win against `strategy`, averaged over the two seats; 0 at an equilibrium."""
    return (best_response(strategy, 0) + best_response(strategy, 1)) / 2


@cache
def equilibrium(a: float = 0.2) -> dict[Info, float]:
    """The equilibrium in which seat 0 bets its lowest card with chance `a`, from 0 to 1/3."""
    third = 1 / 3
    return {
        (0, 0, ""): a,
        (0, 1, ""): 0.0,
        (0, 2, ""): 3 * a,
        (0, 0, "cb"): 0.0,
        (0, 1, "cb"): a + third,
        (0, 2, "cb"): 1.0,
        (1, 0, "c"): third,
        (1, 1, "c"): 0.0,
        (1, 2, "c"): 1.0,
        (1, 0, "b"): 0.0,
        (1, 1, "b"): third,
        (1, 2, "b"): 1.0,
    }


def range_of(info: Info) -> tuple[float, float]:
    """The least and the greatest chance of the bold move at `info` over all equilibria."""
    ends = equilibrium(0.0)[info], equilibrium(1 / 3)[info]
    return min(ends), max(ends)


def _pure(seat: int) -> Iterator[dict[Info, float]]:
    infos = [info for info in INFOS if info[0] == seat]
    for bold in product((0.0, 1.0), repeat=len(infos)):
        yield dict(zip(infos, bold, strict=True))
