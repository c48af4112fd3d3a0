"""Nim: take any number of objects from one heap; who takes the last one wins.

Solved by Bouton (1901): the seat to move wins exactly if the binary sum without carry (the nim-sum) of the heaps is not
zero, and the winning moves are those that make it zero. A state is `3,4,5/0`: the heaps, and the seat to move.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from functools import reduce
from operator import xor

from ponder.problems.games.game import Game
from ponder.types import PonderError

_MOVE = re.compile(r"take ([0-9]{1,3}) from heap ([0-9]{1,2})\.?", re.IGNORECASE)


@dataclass(frozen=True)
class Nim(Game):
    """`heaps` heaps of 1 to `largest` objects; the seat that takes the last object wins."""

    heaps: int = 3
    largest: int = 15
    name: str = "nim"
    decided = True
    instructions = (
        "Two players take turns. In a turn a player takes one or more objects from one heap. Who takes the last object "
        "wins. After your thinking, answer with your move alone, for example: take 2 from heap 1"
    )

    def __post_init__(self) -> None:
        if not 2 <= self.heaps <= 9:
            raise PonderError(f"nim: heaps={self.heaps}; allowed are 2 to 9")
        if not 3 <= self.largest <= 255:
            raise PonderError(f"nim: largest={self.largest}; allowed are 3 to 255")

    @property
    def level(self) -> int:
        return self.heaps

    @property
    def spelled(self) -> str:
        return f"{self.heaps}-{self.largest}"

    def at_level(self, level: int) -> Nim:
        return Nim(heaps=level, largest=self.largest)

    def turn(self, state: str) -> int | None:
        return int(state.partition("/")[2]) if any(heaps_of(state)) else None

    def moves(self, state: str) -> tuple[str, ...]:
        return tuple(_spelled(n, at) for at, heap in enumerate(heaps_of(state)) for n in range(1, heap + 1))

    def after(self, state: str, move: str) -> str:
        found = _MOVE.fullmatch(move)
        assert found is not None, move
        heaps = list(heaps_of(state))
        heaps[int(found[2]) - 1] -= int(found[1])
        return state_of(heaps, 1 - int(state.partition("/")[2]))

    def payoff(self, state: str) -> float:
        """Who is to move and finds nothing has lost."""
        return -1.0 if state.endswith("/0") else 1.0

    def sight(self, state: str) -> str:
        return f"Nim: heaps {', '.join(map(str, heaps_of(state)))}. Your move."

    def read(self, answer: str) -> str | None:
        found = _MOVE.fullmatch(answer.strip())
        return _spelled(int(found[1]), int(found[2]) - 1) if found else None

    def good(self, state: str) -> frozenset[str]:
        """The moves that leave a nim-sum of zero; all of them where the position is lost."""
        heaps = heaps_of(state)
        total = reduce(xor, heaps)
        winning = [_spelled(heap - (heap ^ total), at) for at, heap in enumerate(heaps) if heap ^ total < heap]
        return frozenset(winning if total else self.moves(state))

    def position(self, rng: random.Random) -> str | None:
        heaps = [rng.randint(1, self.largest) for _ in range(self.heaps)]
        return state_of(heaps, 0) if reduce(xor, heaps) else None

    def content(self, state: str) -> str:
        return ",".join(map(str, sorted(heaps_of(state))))

    def thought(self, state: str, move: str) -> str:
        """The heaps in binary digits, their sum without carry, and the heap that changes."""
        heaps = heaps_of(state)
        digits = max(1, self.largest.bit_length())
        total, found = reduce(xor, heaps), _MOVE.fullmatch(move)
        assert found is not None, move
        taken, heap = int(found[1]), heaps[int(found[2]) - 1]
        lines = [*(f"{heap_:0{digits}b}={heap_}" for heap_ in heaps), f"{total:0{digits}b} sum"]
        if total:
            lines.append(f"heap {found[2]} {heap:0{digits}b} to {heap - taken:0{digits}b}={heap - taken}")
        return "".join(f"{line}\n" for line in [*lines, f"{heap}-{heap - taken}={taken}"])


def heaps_of(state: str) -> tuple[int, ...]:
    return tuple(map(int, state.partition("/")[0].split(",")))


def state_of(heaps: list[int], seat: int) -> str:
    return f"{','.join(map(str, heaps))}/{seat}"


def _spelled(taken: int, at: int) -> str:
    return f"take {taken} from heap {at + 1}"
