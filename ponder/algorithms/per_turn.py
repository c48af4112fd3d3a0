"""Credit turn by turn, nothing across turns (SCoRe, arXiv 2409.12917, section 5: a discount of 0 between turns).

    A of a token in turn k of answer i = R_ik - mean over the group of R_jk

R_ik is what answer i earned within turn k: rewards at its steps, and for the last turn what was paid at the end. The
mean is over the answers that have a turn k. So a first answer is never praised for what the second made of it, and
answering wrongly at first in order to be seen mending does not pay.

With one turn this is `dr_grpo` (but for rewards at step ends, which here stand on all tokens of their turn).
Degenerate: a turn that a single answer of the group has, or in which all earn the same, gets zeros.
"""

from __future__ import annotations

from math import fsum
from typing import ClassVar, Literal

from ponder.algorithms.algorithm import Algorithm, Answer, Answers, Batch, Credits, each_group
from ponder.algorithms.group_relative import centred


class PerTurn(Algorithm):
    """What each turn earned by itself, less the mean of the group in the same turn."""

    kind: Literal["per_turn"] = "per_turn"
    source: ClassVar[str] = "SCoRe (arXiv 2409.12917, section 5)"

    def credit(self, batch: Batch) -> Credits:
        return Credits(each_group(batch, [_relative(group) for group in batch.groups_P]))


def _relative(group: Answers) -> list[tuple[float, ...]]:
    earned = [_by_turn(answer) for answer in group.answers_G]
    most = max((len(turns) for turns in earned), default=0)
    advantages: list[list[float]] = [[0.0] * len(turns) for turns in earned]
    for turn in range(most):
        having = [i for i, turns in enumerate(earned) if turn < len(turns)]
        for i, value in zip(having, centred([earned[i][turn] for i in having]), strict=True):
            advantages[i][turn] = value
    return [
        tuple(
            own[turn]
            for step, turn in zip(answer.trajectory.steps, answer.trajectory.turn_S, strict=True)
            for _ in step.tokens
        )
        for answer, own in zip(group.answers_G, advantages, strict=True)
    ]


def _by_turn(answer: Answer) -> list[float]:
    """What the answer earned in each of its turns."""
    turn_S, steps_S = answer.trajectory.turn_S, answer.earned.steps_S
    totals = [
        fsum(reward for reward, turn in zip(steps_S, turn_S, strict=True) if turn == which) if steps_S else 0.0
        for which in range(answer.trajectory.turns)
    ]
    totals[-1] += answer.earned.reward
    return totals
