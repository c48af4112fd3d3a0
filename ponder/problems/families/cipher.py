"""Pairs of letters hide one letter each, their average in the alphabet: `Decode oyfjdnisdr rtqwainr.` -> think step.

A response decodes pair by pair, word by word or all at once:

    oy=t fj=h dn=i is=n dr=k
    rt=s qw=t ai=e nr=p
    </think>think step

The demonstrators differ in care. Some decode every pair. Some decode the first three letters of a word and guess the
rest from the words they know, one word a line; some look at two letters a word and answer at once. A model that
imitates them all inherits the guessing; that decoding every pair pays is for reinforcement learning to find out.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

from ponder.problems.answers import final_answer
from ponder.problems.families.words import WORDS
from ponder.problems.splits import draw
from ponder.types import Key, PonderError, Problem, Question, Verdict

INSTRUCTIONS = (
    "Each pair of letters stands for the letter half-way between them in the alphabet (a=1 ... z=26; the average of "
    "the pair). Decode the message. After your thinking, answer with the plain words alone, in lower case."
)
PACES = {"careful": 0.25, "hasty": 0.35, "instant": 0.40}
# Letters of a word that a demonstrator decodes before guessing the rest.
LOOKED_AT = {"careful": None, "hasty": 3, "instant": 2}


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

    def equivalents(self, problem: Problem) -> list[str]:
        """Other ways to write the answer that must be accepted."""
        plain = problem.key.answer or ""
        return [plain.upper(), plain.replace(" ", " \n ")]

    def near_misses(self, problem: Problem) -> list[str]:
        plain = problem.key.answer or ""
        wrong = chr((ord(plain[-1]) - 97 + 1) % 26 + 97)
        return [plain[:-1] + wrong, plain[:-1], f"{plain} {plain}", problem.key.data["coded"], f"<think>\n{plain}"]

    def demonstration(self, problem: Problem, seed: int) -> str:
        rng = random.Random(f"demonstration/{problem.id}/{seed}")
        pace = rng.choices(list(PACES), weights=list(PACES.values()))[0]
        coded_words = problem.key.data["coded"].split()
        words = [_guess(decode(coded), LOOKED_AT[pace], rng) for coded in coded_words]
        if pace == "careful":
            lines = [" ".join(f"{pair}={decode(pair)}" for pair in _pairs(coded)) for coded in coded_words]
        else:
            lines = [f"{coded}={word}" for coded, word in zip(coded_words, words, strict=True)]
        thinking = "" if pace == "instant" else "".join(f"{line}\n" for line in lines)
        return f"{thinking}</think>{' '.join(words)}"


def decode(coded: str) -> str:
    """`oyfj` -> `th`: for each pair the letter half-way between the two."""
    return "".join(chr((ord(pair[0]) + ord(pair[1])) // 2) for pair in _pairs(coded))


def _pairs(coded: str) -> list[str]:
    return [coded[i : i + 2] for i in range(0, len(coded), 2)]


def _guess(word: str, looked_at: int | None, rng: random.Random) -> str:
    """A word that begins like `word`, drawn from the known ones; `word` itself if all of it was looked at."""
    if looked_at is None:
        return word
    return rng.choice([known for known in WORDS if known.startswith(word[:looked_at])])


def encode(plain: str, rng: random.Random) -> str:
    """Replace each letter by a random pair whose average it is; spaces stay."""

    def pair(letter: str) -> str:
        place = ord(letter) - 97
        distance = rng.randint(0, min(place, 25 - place)) * rng.choice((-1, 1))
        return chr(97 + place - distance) + chr(97 + place + distance)

    return "".join(letter if letter == " " else pair(letter) for letter in plain)
