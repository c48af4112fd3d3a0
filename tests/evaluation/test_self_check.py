"""Countdown judges itself: right and wrong by hand, never a key, never a token."""

from __future__ import annotations

import asyncio

import pytest

from ponder.evaluation.self_check import SelfCheck, self_check
from ponder.problems.families.countdown import Countdown
from ponder.protocols import Price
from ponder.types import Key, PonderError, Problem, Question
from tests.evaluation.toy import trajectory

QUESTION = Question("c", "countdown", "Make 18 from 3, 6, 1.")


def scores(*texts: str) -> list[float | None]:
    judged = asyncio.run(SelfCheck()(QUESTION, [trajectory(QUESTION, text) for text in texts]))
    return [verdict.score for verdict in judged]


def test_it_computes_what_was_proposed() -> None:
    assert scores("</think>(6*3)*1", "</think>6*3", "</think>6+3+1", "</think>18", "</think>what") == [1, 0, 0, 0, 0]


def test_thinking_without_an_answer_is_not_scored() -> None:
    assert scores("<think>6*3=18", "6*3=18\n</think>") == [None, None]


def test_it_is_free_and_agrees_with_ground_truth() -> None:
    family = Countdown()
    judge = self_check([family.problem(i, split="test").question for i in range(3)])
    for index in range(20):
        problem = family.problem(index, split="validation")
        for answer in (problem.key.answer or "", *family.near_misses(problem)):
            said = trajectory(problem.question, f"</think>{answer}")
            verdict = asyncio.run(judge(problem.question, [said]))[0]
            assert (verdict.score or 0.0) == family.grade(problem, f"</think>{answer}").outcome
            assert (judge.price(problem.question), judge.extra(said)) == (Price(), 0.0)


def test_a_family_that_cannot_check_itself_is_refused() -> None:
    other = Problem(Question("a", "arithmetic", "Compute 1+1."), Key("2"))
    with pytest.raises(PonderError, match="cannot be checked without its key"):
        self_check([other.question])
