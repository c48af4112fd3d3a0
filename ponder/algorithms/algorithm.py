"""What an algorithm is: all groups of an update in, credit for every token and metrics out.

An algorithm sees the whole batch, since whitening, per-role baselines and tree credit compare beyond one group. What it
needs beyond rewards it declares in `needs`, and the loop provides it in the batch:

    critic    a critic's value before each token                             Answer.values_T
    verifier  the run's verifier's score after each step                     Answer.scores_S
    rollouts  outcomes of auxiliary rollouts from the ends of steps          Answer.rollouts_S   (see `RolloutSettings`)
    implicit  the token rewards of an implicit reward model, trained online  Answer.implicit_T
    teacher   a teacher's log-probability of each token                      Answer.teacher_T

What it returns says how much better than expected each token was; the loss turns that into a gradient. What it must
remember from one update to the next goes out as `Credits.memory` and comes back as `Batch.memory`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from pydantic import Field

from ponder.plugins import Plugin
from ponder.rewards.component import Earned
from ponder.types import Credit, PonderError, Problem, Trajectory


@dataclass(frozen=True, slots=True)
class Answer:
    """One judged answer with what it earned, its `outcome` (ground truth), and what the algorithm asked for.

    What nobody asked for is empty. `rollouts_S` has an entry for each step: the outcomes of auxiliary rollouts from
    before it (the first: from the question), None where none were drawn.
    """

    earned: Earned
    values_T: tuple[float, ...] = ()
    outcome: float = 0.0
    scores_S: tuple[float, ...] = ()
    rollouts_S: tuple[tuple[float, ...] | None, ...] = ()
    implicit_T: tuple[float, ...] = ()
    teacher_T: tuple[float, ...] = ()

    @property
    def trajectory(self) -> Trajectory:
        return self.earned.trajectory

    @property
    def reward(self) -> float:
        """All that the answer earned."""
        return self.earned.total


@dataclass(frozen=True, slots=True)
class Answers:
    """The judged answers to one problem, G of them; empty if none could be judged."""

    problem: Problem
    answers_G: tuple[Answer, ...]

    @property
    def rewards_G(self) -> list[float]:
        return [answer.reward for answer in self.answers_G]


@dataclass(frozen=True, slots=True)
class Batch:
    """All groups of one update, P of them. `memory` is what the algorithm left after the last one.

    `outcome_weight` is what a right answer is paid for being right (the weights of the rewards of kind outcome).
    """

    groups_P: tuple[Answers, ...]
    memory: Mapping[str, float] = field(default_factory=dict)
    outcome_weight: float = 1.0

    @property
    def answers(self) -> list[Answer]:
        """The answers of all groups, one list."""
        return [answer for group in self.groups_P for answer in group.answers_G]


@dataclass(frozen=True, slots=True)
class Credits:
    """One list of credits for each group, in order, and numbers for the log.

    Credits that are all zero mean that the group teaches nothing: it is counted as dead and left out of the update.
    """

    credits_PG: tuple[tuple[Credit, ...], ...]
    metrics: Mapping[str, float] = field(default_factory=dict)
    memory: Mapping[str, float] = field(default_factory=dict)


class Algorithm(Plugin):
    """One credit rule. `credit` returns the credit of every answer of every group, in order.

    `loss` is the loss that it is meant for; `pairs`: it joins answers in twos for a preference loss.
    """

    needs: ClassVar[tuple[str, ...]] = ()
    loss: ClassVar[str] = "clipped"
    pairs: ClassVar[bool] = False

    def credit(self, batch: Batch) -> Credits:
        raise NotImplementedError(f"{type(self).__name__} has no credit method")


class RolloutSettings(Algorithm):
    """An algorithm that needs auxiliary rollouts, and how many of them.

    `rollouts` continuations are drawn from the question and from the ends of at most `most_steps` inner steps of each
    answer, evenly spread; the steps between two such places share one advantage. They are graded, counted in the
    ledger and the FLOPs, and never trained on. `mixed_only`: none for problems whose answers all had one outcome.
    """

    rollouts: Annotated[int, Field(ge=1)] = 4
    most_steps: Annotated[int, Field(ge=1)] = 5
    mixed_only: bool = True
    needs: ClassVar[tuple[str, ...]] = ("rollouts", "outcome")


def checked(batch: Batch, credits: Credits, kind: str) -> Credits:
    """`credits`, or a PonderError if they do not fit the batch: one credit for each answer, in order."""
    for group, credits_G in zip(batch.groups_P, credits.credits_PG, strict=False):
        if [credit.trajectory for credit in credits_G] != [answer.trajectory for answer in group.answers_G]:
            raise PonderError(
                f"algorithm {kind}: the credits for {group.problem.id} are not those of its {len(group.answers_G)} "
                "answers in their order"
            )
    if len(credits.credits_PG) != len(batch.groups_P):
        raise PonderError(f"algorithm {kind}: credit for {len(credits.credits_PG)} of {len(batch.groups_P)} groups")
    return credits


def each_group(batch: Batch, advantages: Sequence[Sequence[Sequence[float]]]) -> tuple[tuple[Credit, ...], ...]:
    """Credits from advantages[p][g][t]."""
    return tuple(
        tuple(
            Credit(answer.trajectory, tuple(advantages_T))
            for answer, advantages_T in zip(group.answers_G, advantages_GT, strict=True)
        )
        for group, advantages_GT in zip(batch.groups_P, advantages, strict=True)
    )
