"""Batches of answers with given rewards, for tests of credit rules."""

from __future__ import annotations

from collections.abc import Sequence

from ponder.algorithms.algorithm import Answer, Answers, Batch
from ponder.rewards.component import Earned
from ponder.types import Key, Problem, Step, StopReason, Trajectory
from tests.learning.factory import QUESTION


def steps(*lengths: int) -> Trajectory:
    """A trajectory whose steps have these numbers of tokens."""
    leaf: Step | None = None
    for index, length in enumerate(lengths):
        stop = StopReason.END if index == len(lengths) - 1 else StopReason.STEP
        leaf = Step((5,) * length, (-1.0,) * length, "x", 1, stop, parent=leaf)
    assert leaf is not None
    return Trajectory(QUESTION, leaf)


def answers(rewards: Sequence[float], lengths: Sequence[int] | None = None) -> Answers:
    """One answer a reward, of one step each."""
    given = [
        Earned(steps(length), reward) for reward, length in zip(rewards, lengths or [3] * len(rewards), strict=True)
    ]
    return Answers(Problem(QUESTION, Key()), tuple(map(Answer, given)))


def batch(*groups: Sequence[float]) -> Batch:
    return Batch(tuple(map(answers, groups)))
