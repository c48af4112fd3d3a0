"""Trajectories of several turns where they are read: the response that is graded, and the steps that are labelled."""

from __future__ import annotations

import asyncio

from ponder.labels.contrast import label
from ponder.types import Group, Step, StopReason, Trajectory, Verdict
from tests.rollout.scripted import PROBLEM, Odds, grade, step


def two_turns(last: str = "R") -> Trajectory:
    """`a`, `W` and its end; an observation; `b`, `c` and the last step: one letter a step."""
    first = step("W", step("a"), StopReason.END)
    observation = Step((7, 7), (0.0, 0.0), "<no>", 0, StopReason.STEP, first, forced=True)
    return Trajectory(PROBLEM.question, step(last, step("c", step("b", observation)), StopReason.END))


def test_the_response_is_the_last_turn_and_a_closed_thought_is_no_observation() -> None:
    assert (two_turns().last_turn, two_turns().response, two_turns().text) == (3, "bcR", "aW<no>bcR")
    cut = step("thinking", stop=StopReason.LENGTH)
    closed = Step((9,), (0.0,), "</think>", 0, StopReason.STEP, cut, forced=True)
    forced = Trajectory(PROBLEM.question, step("5", closed, StopReason.END))
    assert (forced.last_turn, forced.response) == (0, "thinking</think>5")
    assert not any(s.is_observation for s in forced.steps)


def test_steps_of_the_last_turn_alone_are_labelled() -> None:
    """After `b` three of four rollouts end right, after `c` one of four; the graders read the last turn only."""
    odds = Odds(lambda text: {"aW<no>b": 3, "aW<no>bc": 1}[text])
    group = Group(PROBLEM, (two_turns(), two_turns("W")), (Verdict(outcome=1.0), Verdict(outcome=0.0)))
    found = asyncio.run(label([group], odds, grade, rollouts=4, most_steps=9, max_tokens=40, seed=0))
    assert [[(known.step, known.value) for known in item.labels] for item in found] == [
        [(3, 0.75), (4, 0.25), (5, 1.0)],
        [(3, 0.75), (4, 0.25), (5, 0.0)],
    ]
