"""A judge that needs no key: families whose answers can be checked against the question alone check themselves.

Countdown names its numbers and its target in the question, so whoever proposes an expression can compute it. That is a
perfect verifier of finished answers, free of charge (no token goes through a model), and it says nothing of what a
learned verifier is worth elsewhere: curves made with it carry its name. A prefix without an answer is not scored.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ponder.problems.families.countdown import check
from ponder.protocols import Price
from ponder.thinking import final_answer, last_box
from ponder.types import PonderError, Question, Trajectory, Verdict

NAME = "self-check"
_COUNTDOWN = re.compile(r"Make (\d+) from (\d+(?:, \d+)*)\.")


class SelfCheck:
    """The `Judge` of questions that hold all that is needed to check an answer."""

    def price(self, question: Question) -> Price:
        return Price()

    def extra(self, trajectory: Trajectory) -> float:
        return 0.0

    async def __call__(self, question: Question, trajectories: Sequence[Trajectory]) -> list[Verdict]:
        target, numbers = _asked(question)
        return [_verdict(_stated(t.text), numbers, target) for t in trajectories]


def self_check(questions: Sequence[Question]) -> SelfCheck:
    """The judge, if all of `questions` can be checked so; PonderError otherwise."""
    for question in questions:
        _asked(question)
    return SelfCheck()


def checked(question: Question, response: str) -> bool | None:
    """Whether the answer in `response` is right, told from the question alone.

    None where the question cannot be checked so, or where the response holds no answer.
    """
    if _COUNTDOWN.fullmatch(question.text.strip()) is None:
        return None
    target, numbers = _asked(question)
    score = _verdict(_stated(response), numbers, target).score
    return None if score is None else score == 1.0


def _stated(response: str) -> str | None:
    """The answer after the thinking; of one that reasons in plain words, what stands in its box."""
    answer = final_answer(response)
    return None if answer is None else last_box(answer) or answer


def _asked(question: Question) -> tuple[int, list[int]]:
    found = _COUNTDOWN.fullmatch(question.text.strip())
    if found is None:
        raise PonderError(
            f"{question.id}: --verifier {NAME} checks countdown questions (Make 18 from 3, 6, 1.) and this one cannot "
            "be checked without its key; give --problems countdown or the folder of a trained verifier"
        )
    return int(found[1]), [int(number) for number in found[2].split(", ")]


def _verdict(answer: str | None, numbers: list[int], target: int) -> Verdict:
    if answer is None:
        return Verdict()
    right, detail = check(answer, numbers, target)
    return Verdict(score=float(right), extracted=answer, detail=detail)
