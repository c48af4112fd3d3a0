"""Changes of a word, one after the other: `Apply rln to hwkqab.` -> brlxic.

A response writes what is left to do and the word so far, a line for each change, and ends with the word:

    ln baqkwh
    n aqkwhb
    brlxic
    </think>brlxic

Each line follows from the one before it alone, so whoever can do one change can do any number of them. Demonstrators
tire: after a line they may give up and answer with the word as it stands, and after `stamina` lines all of them do. So
every line that they show is right, and no answer to a problem of more changes than that. To go on is for reinforcement
learning to find out (`recipes/beyond`). The answer cannot be guessed, and it is never the word as it stood earlier.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from ponder.problems.answers import final_answer
from ponder.problems.splits import draw
from ponder.types import Key, PonderError, Problem, Question, Verdict

LETTERS = "abcdefghijklmnopqrstuvwxyz"
MEANINGS = {
    "d": "double the first letter and drop the last",
    "l": "move the first letter to the end",
    "n": "replace each letter by the next one of the alphabet (a after z)",
    "o": "the letters at odd places, then those at even places",
    "r": "reverse",
    "s": "exchange the first and the last letter",
}
INSTRUCTIONS = (
    "Change the word by each rule in turn, from left to right: "
    + "; ".join(f"{name}: {meaning}" for name, meaning in MEANINGS.items())
    + ". After your thinking, answer with the final word alone."
)


@dataclass(frozen=True)
class Transforms:
    """`changes` changes of a word of `length` random letters.

    Demonstrators give up after a line with chance `tires`, and after `stamina` lines at the latest.
    """

    changes: int = 2
    length: int = 5
    stamina: int = 4
    tires: float = 0.35
    name: str = "transforms"

    def __post_init__(self) -> None:
        if not 1 <= self.changes <= 40:
            raise PonderError(f"transforms: changes={self.changes}; allowed are 1 to 40")
        if not 3 <= self.length <= 40:
            raise PonderError(f"transforms: length={self.length}; allowed are 3 to 40")
        if not 1 <= self.stamina <= 40:
            raise PonderError(f"transforms: stamina={self.stamina}; allowed are 1 to 40")
        if not 0.0 <= self.tires <= 1.0:
            raise PonderError(f"transforms: tires={self.tires}; allowed are 0 to 1")

    @property
    def level(self) -> int:
        return self.changes

    def at_level(self, level: int) -> Transforms:
        return replace(self, changes=level)

    def problem(self, index: int, *, split: str = "train", seed: int = 0) -> Problem:
        stream = f"transforms/{self.changes}/{self.length}/{seed}/{index}"
        todo, word = draw(stream, split, self._drawn, " ".join)
        question = Question(
            id=f"transforms-{self.changes}-{self.length}-{split}-{seed}-{index}",
            family=self.name,
            text=f"Apply {todo} to {word}.",
            instructions=INSTRUCTIONS,
            level=self.changes,
        )
        return Problem(question, Key(changed(todo, word), {"changes": todo, "word": word}))

    def _drawn(self, rng: random.Random) -> tuple[str, str] | None:
        todo = "".join(rng.choices(list(MEANINGS), k=self.changes))
        word = "".join(rng.choices(LETTERS, k=self.length))
        words = [changed(todo[:number], word) for number in range(self.changes + 1)]
        return None if words[-1] in words[:-1] else (todo, word)

    def grade(self, problem: Problem, response: str) -> Verdict:
        """Right if the word agrees; case and white space around it do not matter."""
        text = final_answer(response)
        if text is None:
            return Verdict(outcome=0.0, detail="no answer after the thinking")
        found = text.strip().lower()
        return Verdict(outcome=float(found == problem.key.answer), extracted=found)

    def equivalents(self, problem: Problem) -> list[str]:
        """Other ways to write the answer that must be accepted."""
        word = problem.key.answer or ""
        return [word.upper(), f" {word}\n"]

    def near_misses(self, problem: Problem) -> list[str]:
        """Responses that must be refused."""
        word = problem.key.answer or ""
        return [changed("n", word), word[:-1], f"{word} {word}", " ".join(word), f"<think>\n{word}"]

    def demonstration(self, problem: Problem, seed: int) -> str:
        rng = random.Random(f"demonstration/{problem.id}/{seed}")
        lines = working(problem)
        shown = next((at for at in range(1, self.stamina) if rng.random() < self.tires), self.stamina)
        word = lines[min(shown, len(lines)) - 1].split()[-1]
        return "".join(f"{line}\n" for line in lines[:shown]) + f"</think>{word}"


def working(problem: Problem) -> list[str]:
    """The careful lines: what is left to do and the word so far, after each change."""
    todo, word = problem.key.data["changes"], problem.key.data["word"]
    lines = []
    while todo:
        word, todo = changed(todo[0], word), todo[1:]
        lines.append(f"{todo} {word}".strip())
    return lines


def changed(todo: str, word: str) -> str:
    """`word` after each change of `todo`, from left to right."""
    for name in todo:
        word = _CHANGES[name](word)
    return word


_CHANGES: dict[str, Callable[[str], str]] = {
    "d": lambda word: word[0] + word[:-1],
    "l": lambda word: word[1:] + word[0],
    "n": lambda word: "".join(LETTERS[(LETTERS.index(letter) + 1) % 26] for letter in word),
    "o": lambda word: word[::2] + word[1::2],
    "r": lambda word: word[::-1],
    "s": lambda word: word[-1] + word[1:-1] + word[0],
}
