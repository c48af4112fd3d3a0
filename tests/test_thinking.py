"""Where thinking ends, and that thinking which was cut earns nothing."""

from __future__ import annotations

import asyncio

import pytest

from ponder.problems.files.jsonl import INSTRUCTIONS
from ponder.rollout.collect import collect
from ponder.thinking import final_answer, graded_text, opens_thinking
from ponder.types import Key, Problem, Question, Step, StopReason, Trajectory
from ponder.verifiers.truth import GroundTruth

QUESTION = Question("q", "file", "2+3?", INSTRUCTIONS["math"])
PROBLEM = Problem(QUESTION, Key("5", {"verifier": "math"}))
GUESS = r"It may be \boxed{5}, but let me see"


def leaf(text: str, stop: StopReason) -> Step:
    return Step((1,), (0.0,), text, 0, stop)


class Says:
    """Draws the same text whatever it is asked."""

    opens_thinking = True

    def __init__(self, text: str, stop: StopReason) -> None:
        self.leaf = leaf(text, stop)

    async def __call__(self, question, prefix, n, *, until, max_tokens, seed):
        return [self.leaf] * n

    def answer(self, trajectory):
        return None


def outcome(propose: Says) -> float | None:
    with GroundTruth() as truth:
        (group,) = asyncio.run(collect([PROBLEM], propose, truth.grade, group_size=1, max_tokens=9, seed=0))
    return group.verdicts[0].outcome


@pytest.mark.parametrize("stop", [StopReason.LENGTH, StopReason.CONTEXT, StopReason.CANCELLED])
def test_a_guess_in_thinking_that_was_cut_earns_nothing(stop):
    assert outcome(Says(GUESS, stop)) == 0.0


@pytest.mark.parametrize(
    ("text", "stop"),
    [
        (GUESS, StopReason.END),
        (r"so</think>\boxed{5} and", StopReason.LENGTH),
        (r"so</think>\boxed{5}", StopReason.END),
    ],
)
def test_thinking_that_ended_or_a_turn_that_did_is_graded(text, stop):
    assert outcome(Says(text, stop)) == 1.0


def test_where_the_prompt_opens_no_thinking_a_cut_response_is_read_as_it_stands():
    server = Says(GUESS, StopReason.LENGTH)
    server.opens_thinking = False
    assert not opens_thinking(server)
    assert outcome(server) == 1.0


def test_the_mark_that_the_prompt_holds_is_put_in_front():
    cut = Trajectory(QUESTION, leaf(GUESS, StopReason.LENGTH))
    assert graded_text(cut) == f"<think>\n{GUESS}"
    assert final_answer(graded_text(cut)) is None
    assert graded_text(cut, opened=False) == GUESS
