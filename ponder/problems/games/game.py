"""What a two-seat zero-sum game is, and how its positions become problems.

A game is a set of rules over states, which are plain strings, so that a key can hold one. As a problem family it asks
for one move in a position, and its exact solver is the grader: right is a move that perfect play may make. As a match
(`environment.kind=match`) both seats play on from the same position, and only who wins is paid.

Moves are parsed strictly: the whole answer behind the thinking must be one move as the instructions spell it.
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Mapping

from ponder.problems.splits import draw
from ponder.thinking import final_answer
from ponder.types import Key, Problem, Question, Verdict

SEATS = (0, 1)
# Of a hundred demonstrators so many think before they move; the others make any legal move at once.
CAREFUL = 0.35


class Game(ABC):
    """Rules, solver and problem family of one game. Subclasses are frozen dataclasses with `name` and `level`."""

    name: str
    instructions: str
    decided = False  # whether perfect play from a problem's position is won by one side

    # The rules.

    @abstractmethod
    def turn(self, state: str) -> int | None:
        """The seat (0 or 1) that is to move; None: the game is over."""

    @abstractmethod
    def moves(self, state: str) -> tuple[str, ...]:
        """All legal moves, each in its one canonical spelling."""

    @abstractmethod
    def after(self, state: str, move: str) -> str:
        """The state after a legal move."""

    @abstractmethod
    def payoff(self, state: str) -> float:
        """What seat 0 gets at the end, in [-1, 1]; seat 1 gets the negative of it."""

    @abstractmethod
    def sight(self, state: str) -> str:
        """What the seat to move sees, as the text of a question. It hides what the seat must not know."""

    @abstractmethod
    def read(self, answer: str) -> str | None:
        """The canonical spelling of the move that `answer` is; None if it is no move at all. Legality comes after."""

    def start(self, state: str, rng: random.Random) -> str:
        """The state in which a match from this problem begins; chance moves are drawn from `rng`."""
        return state

    # The solver.

    @abstractmethod
    def good(self, state: str) -> frozenset[str]:
        """The legal moves that perfect play may make here."""

    def perfect(self, state: str) -> Mapping[str, float]:
        """A perfect strategy: the chance of each move. Unless said otherwise even over the good moves."""
        good = sorted(self.good(state))
        return {move: 1.0 / len(good) for move in good}

    # The problem family.

    @property
    @abstractmethod
    def level(self) -> int:
        """The difficulty."""

    @abstractmethod
    def position(self, rng: random.Random) -> str | None:
        """A random position to ask about; None: draw again (the game is over, or every move is good)."""

    @abstractmethod
    def content(self, state: str) -> str:
        """What makes two positions the same problem, for the splits."""

    @abstractmethod
    def thought(self, state: str, move: str) -> str:
        """How a careful demonstrator reasons towards the good `move`: lines, each with its line end."""

    def problem(self, index: int, *, split: str = "train", seed: int = 0) -> Problem:
        stream = f"{self.name}/{self.spelled}/{seed}/{index}"
        state = draw(stream, split, self.position, self.content)
        return self.asked(state, f"{self.name}-{self.spelled}-{split}-{seed}-{index}", self.level)

    @property
    def spelled(self) -> str:
        """The parameters in names of problems."""
        return str(self.level)

    def asked(self, state: str, id: str, level: int) -> Problem:
        """The problem of the seat to move in `state`; its key holds the state and one good move."""
        data = {"game": self.name, "state": state, "role": f"{self.name} seat {self.turn(state)}"}
        question = Question(id, self.name, self.sight(state), self.instructions, level)
        return Problem(question, Key(min(self.good(state)), data))

    def grade(self, problem: Problem, response: str) -> Verdict:
        """Right if the answer is one legal move that perfect play may make."""
        answer = final_answer(response)
        if answer is None:
            return Verdict(outcome=0.0, detail="no answer after the thinking")
        move, state = self.read(answer), str(problem.key.data["state"])
        if move is None or move not in self.moves(state):
            return Verdict(outcome=0.0, extracted=answer, detail="no legal move")
        right = move in self.good(state)
        return Verdict(outcome=float(right), extracted=move, detail="" if right else "perfect play does not move so")

    def equivalents(self, problem: Problem) -> list[str]:
        """Every good move, also with a full stop or a capital."""
        good = sorted(self.good(str(problem.key.data["state"])))
        return [*good, f"{good[0]}.", good[0].capitalize()]

    def near_misses(self, problem: Problem) -> list[str]:
        """Bad moves, several moves at once, words round a move, and no move."""
        state = str(problem.key.data["state"])
        bad = [move for move in self.moves(state) if move not in self.good(state)]
        both = " or ".join(self.moves(state)[:2])
        return [*bad, both, f"I play {min(self.good(state))}", "resign", "", f"<think>\n{min(self.good(state))}\n"]

    def demonstration(self, problem: Problem, seed: int) -> str:
        """A careful demonstrator reasons and moves well; the others make any legal move without a thought."""
        rng = random.Random(f"demonstration/{problem.id}/{seed}")
        state = str(problem.key.data["state"])
        if rng.random() >= CAREFUL:
            return f"</think>{rng.choice(self.moves(state))}"
        strategy = self.perfect(state)
        move = rng.choices(list(strategy), weights=list(strategy.values()))[0]
        return f"{self.thought(state, move)}</think>{move}"
