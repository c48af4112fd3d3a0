"""Differences of values between places in an answer, and those differences on its tokens."""

from __future__ import annotations

from collections.abc import Sequence
from math import fsum

from ponder.algorithms.algorithm import Answer, Answers
from ponder.algorithms.group_relative import centred
from ponder.types import PonderError, Trajectory


def differences(before_S: Sequence[float | None], end: float) -> list[float]:
    """The advantage of each step, from the values before the steps (None: not known) and that at the end.

    Steps between two known places share the difference of these. Where nothing is known at the beginning the steps up
    to the first known place get 0. They sum to `end` less the first value if each shared difference is counted once.
    """
    advantages_S = [0.0] * len(before_S)
    after = end
    upper = len(before_S)
    for step in reversed(range(len(before_S))):
        value = before_S[step]
        if value is None:
            continue
        advantages_S[step:upper] = [after - value] * (upper - step)
        after, upper = value, step
    return advantages_S


def on_steps(trajectory: Trajectory, values_S: Sequence[float]) -> list[float]:
    """Each step's value on all of its tokens."""
    return [value for step, value in zip(trajectory.steps, values_S, strict=True) for _ in step.tokens]


def checked_steps(answer: Answer, values: Sequence[object], what: str, kind: str) -> None:
    """PonderError unless there is one entry for each step."""
    if len(values) != len(answer.trajectory.steps):
        raise PonderError(
            f"algorithm {kind}: {len(values)} {what} for an answer to {answer.trajectory.question.id} of "
            f"{len(answer.trajectory.steps)} steps"
        )


def beyond_outcome(group: Answers) -> list[float]:
    """What each answer earned besides its outcome (format, length, ...), less the group's mean."""
    return centred([answer.reward - answer.earned.parts.get("outcome", 0.0) for answer in group.answers_G])


def mean(values: Sequence[float]) -> float | None:
    """None of nothing."""
    return fsum(values) / len(values) if values else None
