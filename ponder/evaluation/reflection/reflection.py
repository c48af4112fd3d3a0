r"""Reflection: which steps go back or correct, and whether that changed anything.

The rule. A step of general text reflects if it holds one of the phrases of `PHRASES` as whole words ("wait", "let me
check", "mistake", ...). In a countdown chain, whose steps are tries (`6-1=5,5*3=15|18`), every try after the first
reflects: the one before it was given up.

What a reflection did is read off the answer that stood before it and the answer that stands at its end, up to the
next reflection: useful (wrong before, right after), harmful (right before, wrong after), idle (the verdict did not
change), or unknown (no answer stood, or it could not be judged). In general text the standing answer is the last
\boxed{...} or else the last number; in countdown it is the last try, right if its equations are true, use the numbers
and make the target. This counts words and tries; whether the policy meant them is not asked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from ponder.thinking import THINK_CLOSE

PHRASES = (
    "wait", "hold on", "however", "actually", "on second thought", "let me check", "let me verify", "let me re-check",
    "let me recheck", "let me double-check", "double-check", "let me reconsider", "let me try again", "try again",
    "alternatively", "mistake", "error", "incorrect", "that's wrong", "that is wrong", "not right", "go back",
)  # fmt: skip
_PHRASE = re.compile(rf"\b(?:{'|'.join(map(re.escape, PHRASES))})\b", re.IGNORECASE)
_TRY = re.compile(r"^[^|]*=[^|]*\|\d+!?\s*$")
_EQUATION = re.compile(r"(\d+)([-+*/])(\d+)=(\d+)")
_BOXED = re.compile(r"\\boxed\{([^{}]*)\}")
_NUMBER = re.compile(r"-?\d+(?:[.,/]\d+)*")

EFFECTS = ("useful", "harmful", "idle")
Right = Callable[[str], bool | None]  # whether a standing answer is right; None: cannot be told


@dataclass(frozen=True, slots=True)
class Reflections:
    """Counts over responses: their steps, the reflecting ones, and what these did."""

    responses: int = 0
    steps: int = 0
    reflecting: int = 0
    useful: int = 0
    harmful: int = 0
    idle: int = 0
    unknown: int = 0

    @property
    def share(self) -> float | None:
        """Of all steps, those that reflect; None without steps."""
        return self.reflecting / self.steps if self.steps else None

    @property
    def useful_share(self) -> float | None:
        """Of the reflections whose effect is known, the useful ones; None if there are none."""
        return self.useful / self.told if self.told else None

    @property
    def told(self) -> int:
        """The reflections whose effect is known."""
        return self.useful + self.harmful + self.idle

    def __add__(self, other: Reflections) -> Reflections:
        return Reflections(*(getattr(self, f) + getattr(other, f) for f in self.__slots__))

    def as_data(self) -> dict[str, Any]:
        """Counts and shares as plain data."""
        counts = {name: getattr(self, name) for name in self.__slots__}
        return {**counts, "share": self.share, "useful_share": self.useful_share}


def reflect(steps: Sequence[str], right: Right) -> Reflections:
    """The counts of one response. The answer after the thinking is no step of it, but it stands at the end."""
    thinking, answer = _parted(steps)
    tries = [bool(_TRY.match(step)) for step in thinking]
    if any(tries):
        tried = [step for step, is_try in zip(thinking, tries, strict=True) if is_try]
        return _counted(len(thinking), [right(step) for step in tried])
    marks = [bool(_PHRASE.search(step)) for step in thinking]
    return _counted(len(thinking), _standing(thinking, marks, answer, right))


def _parted(steps: Sequence[str]) -> tuple[list[str], str]:
    """The steps of the thinking that hold anything, and what follows it."""
    thinking, mark, answer = "".join(steps).partition(THINK_CLOSE)
    if not mark:
        return [step for step in steps if step.strip()], ""
    kept: list[str] = []
    left = len(thinking)
    for step in steps:
        part = step[: max(0, left)]
        left -= len(step)
        if part.strip():
            kept.append(part)
    return kept, answer


def _standing(thinking: Sequence[str], marks: Sequence[bool], answer: str, right: Right) -> list[bool | None]:
    """Verdicts of the answers that stood before the first reflection and at the end of each."""
    verdicts: list[bool | None] = []
    said: str | None = None
    for step, is_reflecting in zip(thinking, marks, strict=True):
        if is_reflecting:
            verdicts.append(None if said is None else right(said))
        said = stated(step) or said
    said = stated(answer) or said
    return [*verdicts, None if said is None else right(said)]


def stated(text: str) -> str | None:
    """The answer that stands in general text: the last boxed one, or else the last number."""
    found = _BOXED.findall(text) or _NUMBER.findall(text)
    return found[-1].strip() if found else None


def _counted(steps: int, verdicts: Sequence[bool | None]) -> Reflections:
    """One reflection between each verdict and the next."""
    counts = {"useful": 0, "harmful": 0, "idle": 0, "unknown": 0}
    for before, after in pairwise(verdicts):
        if before is None or after is None:
            counts["unknown"] += 1
        else:
            counts["idle" if before is after else "useful" if after else "harmful"] += 1
    return Reflections(1, steps, max(0, len(verdicts) - 1), **counts)


def countdown_right(question: str) -> Right:
    """For tries of a countdown question: whether the equations are true, use its numbers and end at its target."""
    target, *numbers = map(int, re.findall(r"\d+", question))

    def right(text: str) -> bool:
        pool = list(numbers)
        for first, operator, second, result in _EQUATION.findall(text):
            a, b, c = int(first), int(second), int(result)
            for used in (a, b):
                if used not in pool:
                    return False
                pool.remove(used)
            # Division without a remainder alone: a / b = c is a = b * c.
            if {"+": a + b == c, "-": a - b == c, "*": a * b == c, "/": b != 0 and a == b * c}[operator] is False:
                return False
            pool.append(c)
        return pool == [target]

    return right


def graded_right(outcome: float | None, final: str | None) -> Right:
    """For general text of which only the final answer was graded.

    What equals the final answer shares its verdict; what differs from a right one is wrong; what differs from a wrong
    one cannot be told.
    """

    def right(text: str) -> bool | None:
        if outcome is None or final is None:
            return None
        if text.replace(" ", "") == final.replace(" ", ""):
            return outcome > 0
        return False if outcome > 0 else None

    return right


def of_rows(rows: Iterable[Mapping[str, Any]]) -> dict[str, Reflections]:
    """Counts by family over rows of a trajectory store (`family`, `question`, `steps`, `outcome`, `extracted`)."""
    found: dict[str, Reflections] = {}
    for row in rows:
        family = str(row["family"])
        right = countdown_right(row["question"]) if family == "countdown" else graded_right(row["outcome"], _final(row))
        found[family] = found.get(family, Reflections()) + reflect(row["steps"], right)
    return found


def within(rows: Iterable[Mapping[str, Any]], tokens: int) -> dict[str, Reflections]:
    """The same over the first `tokens` tokens of each response: what a chain with that limit would have held.

    Rows also have `step_lengths`. A step that the limit cuts is left out.
    """
    return of_rows(first(rows, tokens))


def first(rows: Iterable[Mapping[str, Any]], tokens: int) -> Iterator[dict[str, Any]]:
    """The rows with only those of their steps that end within the first `tokens` tokens."""
    return ({**row, "steps": _first(row, tokens)} for row in rows)


def _first(row: Mapping[str, Any], tokens: int) -> list[str]:
    kept, spent = [], 0
    for text, length in zip(row["steps"], row["step_lengths"], strict=True):
        spent += length
        if spent > tokens:
            break
        kept.append(text)
    return kept


def _final(row: Mapping[str, Any]) -> str | None:
    said = row.get("extracted")
    return None if said is None else stated(str(said)) or str(said)
