"""Kuhn poker (Kuhn 1950): three cards, one each, one bet. The smallest game in which perfect play must bluff.

Each player antes one chip. Seat 0 checks or bets one chip; after a bet the other calls or folds; after a check seat 1
checks (the higher card wins one chip) or bets, and then seat 0 calls or folds. A called bet is worth two chips. Here
the deck is any three different numbers, so that there are decks to hold out; only their order matters.

A state is `3,7,9/9,3/cb`: deck, cards of seats 0 and 1, and what was done (c check, b bet, k call, f fold). The exact
solution is in `kuhn_solver`.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from ponder.problems.games import kuhn_solver
from ponder.problems.games.game import Game
from ponder.types import PonderError

_LETTERS = {"check": "c", "bet": "b", "call": "k", "fold": "f"}
_DONE = {"c": "checked", "b": "bet"}
_RANKS = ("lowest", "middle", "highest")


class Hand(NamedTuple):
    """A state taken apart: the deck in rising order, the card of each seat, and what was done."""

    deck: tuple[int, ...]
    cards: tuple[int, ...]
    done: str

    @property
    def seat(self) -> int:
        return len(self.done) % 2

    @property
    def rank(self) -> int:
        """The rank of the card of the seat to move: 0, 1 or 2."""
        return self.deck.index(self.cards[self.seat])

    @property
    def text(self) -> str:
        return f"{','.join(map(str, self.deck))}/{','.join(map(str, self.cards))}/{self.done}"

    @staticmethod
    def of(state: str) -> Hand:
        deck, cards, done = state.split("/")
        return Hand(tuple(map(int, deck.split(","))), tuple(map(int, cards.split(","))), done)


@dataclass(frozen=True)
class Kuhn(Game):
    """Kuhn poker with a deck of three different numbers between 1 and `largest`."""

    largest: int = 20
    name: str = "kuhn"
    instructions = (
        "Kuhn poker. Three cards, each player holds one of them. Each antes one chip. You may check or bet one chip; "
        "after a bet the other may call or fold. The higher card wins. After your thinking, answer with one word: "
        "check, bet, call or fold"
    )

    def __post_init__(self) -> None:
        if not 8 <= self.largest <= 999:
            raise PonderError(f"kuhn: largest={self.largest}; allowed are 8 to 999")

    @property
    def level(self) -> int:
        return 1

    @property
    def spelled(self) -> str:
        return str(self.largest)

    def turn(self, state: str) -> int | None:
        hand = Hand.of(state)
        return None if kuhn_solver.over(hand.done) else hand.seat

    def moves(self, state: str) -> tuple[str, ...]:
        return ("call", "fold") if Hand.of(state).done.endswith("b") else ("bet", "check")

    def after(self, state: str, move: str) -> str:
        return state + _LETTERS[move]

    def payoff(self, state: str) -> float:
        """Chips that seat 0 wins, over two: the most that anybody can win."""
        hand = Hand.of(state)
        return kuhn_solver.chips(hand.done, hand.cards[0] > hand.cards[1]) / 2

    def sight(self, state: str) -> str:
        hand = Hand.of(state)
        acts = [("You" if at % 2 == hand.seat else "Opponent") + f" {_DONE[a]}." for at, a in enumerate(hand.done)]
        deck = ", ".join(map(str, hand.deck))
        return " ".join([f"Kuhn poker: cards {deck}. You hold {hand.cards[hand.seat]}.", *acts])

    def read(self, answer: str) -> str | None:
        word = answer.strip().removesuffix(".").lower()
        return word if word in _LETTERS else None

    def start(self, state: str, rng: random.Random) -> str:
        """The same deck, dealt anew."""
        deck = Hand.of(state).deck
        return Hand(deck, tuple(rng.sample(deck, 2)), "").text

    def good(self, state: str) -> frozenset[str]:
        """The moves that some equilibrium makes with a card of this rank."""
        hand = Hand.of(state)
        low, high = kuhn_solver.range_of((hand.seat, hand.rank, hand.done))
        bold, meek = self.moves(state)
        return frozenset(([bold] if high > 0 else []) + ([meek] if low < 1 else []))

    def perfect(self, state: str) -> Mapping[str, float]:
        hand = Hand.of(state)
        chance = kuhn_solver.equilibrium()[hand.seat, hand.rank, hand.done]
        bold, meek = self.moves(state)
        return {move: share for move, share in ((bold, chance), (meek, 1 - chance)) if share}

    def position(self, rng: random.Random) -> str | None:
        deck = tuple(sorted(rng.sample(range(1, self.largest + 1), 3)))
        hand = Hand(deck, tuple(rng.sample(deck, 2)), rng.choice(["", "c", "b", "cb"]))
        return hand.text if len(self.good(hand.text)) == 1 else None

    def content(self, state: str) -> str:
        return ",".join(map(str, Hand.of(state).deck))

    def thought(self, state: str, move: str) -> str:
        return f"{_RANKS[Hand.of(state).rank]}\n"
