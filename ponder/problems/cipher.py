"""Pairs of letters hide one letter each, their average in the alphabet: `Decode oyfjdnisdr rtqwainr.` -> think step

A response decodes pair by pair, word by word or all at once:

    oy=t fj=h dn=i is=n dr=k
    rt=s qw=t ai=e nr=p
    </think>think step

As in `arithmetic`, all demonstrations are right and their authors differ in how much they do at once.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

from ponder.problems.answers import final_answer
from ponder.problems.splits import draw
from ponder.problems.words import WORDS
from ponder.types import Key, PonderError, Problem, Question, Verdict

INSTRUCTIONS = (
    "Each pair of letters stands for the letter half-way between them in the alphabet (a=1 ... z=26; the average of "
    "the pair). Decode the message. After your thinking, answer with the plain words alone, in lower case."
)
PACES = {"careful": 0.25, "hasty": 0.35, "instant": 0.40}


@dataclass(frozen=True)
class Cipher:
    """A message of `words` common words."""

    words: int = 3
    name: str = "cipher"

    def __post_init__(self) -> None:
        if not 1 <= self.words <= 20:
            raise PonderError(f"cipher: words={self.words}; allowed are 1 to 20")

    @property
    def level(self) -> int:
        return self.words

    def at_level(self, level: int) -> Cipher:
        return Cipher(words=level)

    def problem(self, index: int, *, split: str = "train", seed: int = 0) -> Problem:
        stream = f"cipher/{self.words}/{seed}/{index}"
        plain = draw(stream, split, lambda rng: " ".join(rng.choices(WORDS, k=self.words)), lambda text: text)
        coded = encode(plain, random.Random(f"{stream}/{split}/pairs"))
        question = Question(
            id=f"cipher-{self.words}-{split}-{seed}-{index}",
            family=self.name,
            text=f"Decode {coded}.",
            instructions=INSTRUCTIONS,
            level=self.words,
        )
        return Problem(question, Key(plain, {"coded": coded}))

    def grade(self, problem: Problem, response: str) -> Verdict:
        """Right if the words agree; case and runs of white space do not matter, nothing else may stand there."""
        text = final_answer(response)
        if text is None:
            return Verdict(outcome=0.0, detail="no answer after the thinking")
        found = re.sub(r"\s+", " ", text).lower()
        return Verdict(outcome=float(found == problem.key.answer), extracted=found)

    def near_misses(self, problem: Problem) -> list[str]:
        plain = problem.key.answer or ""
        wrong = chr((ord(plain[-1]) - 97 + 1) % 26 + 97)
        return [plain[:-1] + wrong, plain[:-1], f"{plain} {plain}", problem.key.data["coded"], f"<think>\n{plain}"]

    def demonstration(self, problem: Problem, seed: int) -> str:
        rng = random.Random(f"demonstration/{problem.id}/{seed}")
        pace = rng.choices(list(PACES), weights=list(PACES.values()))[0]
        lines: list[str] = []
        for coded in problem.key.data["coded"].split() if pace != "instant" else ():
            pairs = [coded[i : i + 2] for i in range(0, len(coded), 2)]
            if pace == "careful":
                lines.append(" ".join(f"{pair}={decode_pair(pair)}" for pair in pairs) + "\n")
            else:
                lines.append(f"{coded}={''.join(map(decode_pair, pairs))}\n")
        return f"{''.join(lines)}</think>{problem.key.answer}"


def decode_pair(pair: str) -> str:
    """`oy` -> `t`: the letter half-way between the two."""
    return chr((ord(pair[0]) + ord(pair[1])) // 2)


def encode(plain: str, rng: random.Random) -> str:
    """Replace each letter by a random pair whose average it is; spaces stay."""

    def pair(letter: str) -> str:
        place = ord(letter) - 97
        distance = rng.randint(0, min(place, 25 - place)) * rng.choice((-1, 1))
        return chr(97 + place - distance) + chr(97 + place + distance)

    return "".join(letter if letter == " " else pair(letter) for letter in plain)
