"""Whether a right answer can still follow from each step, computed without rollouts, for families where it can be.

A step is good if right work from its end on gives a right answer:

- arithmetic: the last finished line has the value of the expression;
- cipher: every letter decoded so far is the letter of the message at its place;
- countdown: no try claims a hit that is none; in an unfinished try the equations are true and the target is within
  reach of the numbers left. A try that misses does no harm, and neither does one that computes falsely and claims
  nothing: the next begins with all numbers again, from which every target can be reached;
- transforms: the last finished line, with what it leaves to do, comes to the answer;
- the last step, which holds the answer: the response is graded right.

This is the truth of prefixes, which is what rollouts estimate, and not of lines in isolation: in a cipher a false
letter stays in the message, so nothing after it is good; in arithmetic a line after a false one may be good again by
luck. Left out: whether a line of arithmetic follows from the line before it by an allowed reduction, and which pair a
letter of a cipher was read from.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ponder.problems.answers import THINK_CLOSE
from ponder.problems.families.arithmetic import Arithmetic
from ponder.problems.families.cipher import Cipher
from ponder.problems.families.countdown import Countdown
from ponder.problems.families.countdown_truth import can_still_hit
from ponder.problems.families.expressions import ExpressionError, evaluate
from ponder.problems.families.transforms import LETTERS, MEANINGS, Transforms, changed
from ponder.types import Problem

NO_ERROR = -1


def good_steps(problem: Problem, steps_S: Sequence[str]) -> tuple[bool, ...] | None:
    """One truth value a step of a finished response, given the steps' texts; None for a family without this truth.

    The steps may end anywhere: at lines, at spaces, in the middle of an equation. No steps give no values.
    """
    if problem.family not in _HOLDS:
        return None
    holds, family = _HOLDS[problem.family]
    text, good = "", list[bool]()
    for step in steps_S[:-1]:
        text += step
        good.append(holds(problem, text.partition(THINK_CLOSE)[0]))
    if steps_S:
        good.append(family.grade(problem, text + steps_S[-1]).outcome == 1.0)
    return tuple(good)


def first_error(problem: Problem, steps_S: Sequence[str]) -> int | None:
    """Index of the first step that is not good; NO_ERROR if all are; None for a family without this truth."""
    good = good_steps(problem, steps_S)
    if good is None:
        return None
    return good.index(False) if False in good else NO_ERROR


def _arithmetic_holds(problem: Problem, thinking: str) -> bool:
    *lines, _ = thinking.split("\n")
    if not lines:
        return True
    try:
        return evaluate(lines[-1]) == int(problem.key.answer or "")
    except ExpressionError:
        return False


def _cipher_holds(problem: Problem, thinking: str) -> bool:
    words = (problem.key.answer or "").split()
    *lines, begun = thinking.split("\n")
    if len(lines) + bool(begun) > len(words):
        return False
    whole = all(_letters(line) == word for line, word in zip(lines, words, strict=False))
    return whole and (not begun or words[len(lines)].startswith(_letters(begun)))


def _letters(line: str) -> str:
    """`oy=t fj=h` -> `th`; also the begun line `oy=t fj`."""
    return "".join(part.partition("=")[2] for part in line.split())


def _transforms_holds(problem: Problem, thinking: str) -> bool:
    *lines, _ = thinking.split("\n")
    if not lines:
        return True
    *todo, word = lines[-1].split(" ")
    if len(todo) > 1 or not word or not set(word) <= set(LETTERS) or not set("".join(todo)) <= MEANINGS.keys():
        return False
    return changed("".join(todo), word) == problem.key.answer


def _countdown_holds(problem: Problem, thinking: str) -> bool:
    return can_still_hit(thinking, problem.key.data["numbers"], problem.key.data["target"])


# Graders do not depend on a family's difficulty, so the default instance serves for all.
_HOLDS: dict[str, tuple[Callable[[Problem, str], bool], Arithmetic | Cipher | Countdown | Transforms]] = {
    "arithmetic": (_arithmetic_holds, Arithmetic()),
    "cipher": (_cipher_holds, Cipher()),
    "countdown": (_countdown_holds, Countdown()),
    "transforms": (_transforms_holds, Transforms()),
}
