"""The reward of self-correction in turns (SCoRe, arXiv 2409.12917, sections 5.1 and 5.2).

    at the end of turn 1   first * r_1
    at the end of turn k   r_k + alpha * (r_k - r_(k-1)),   k > 1

r_k is the outcome of turn k. With alpha = 10 the second turn pays 11 for wrong to right, 1 for right to right, -10 for
right to wrong and 0 for wrong to wrong: to mend is worth much and to spoil costs as much. Stage I of the paper has
first = 0 and alpha = 0 (the first turn is only held where it is, by `loss.kl_first_turn`), stage II has both.

With alpha above 1 the sum of both turns is largest for a first answer that is wrong on purpose (11 against 2). What
stands against it is that no reward of a later turn reaches an earlier one: use the algorithm `per_turn`.

It needs an environment that gives the outcome of every turn (`second_look`, `retry`); an answer of one turn is paid
first * r_1 alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ponder.rewards.component import Component, Graded, Pay
from ponder.types import PonderError, Trajectory


class SelfCorrection(Component):
    """Outcomes of all turns, with a bonus of `alpha` for every change for the better, paid at the ends of turns."""

    kind: Literal["self_correction"] = "self_correction"
    first: Annotated[float, Field(allow_inf_nan=False)] = 1.0
    alpha: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 10.0
    source: ClassVar[str] = "SCoRe (arXiv 2409.12917, equations 3 and 4)"
    needs: ClassVar[tuple[str, ...]] = ("turns",)

    def pay(self, graded: Graded) -> Sequence[Pay]:
        verdicts = {id(t): v for t, v in zip(graded.group.trajectories, graded.group.verdicts, strict=True)}
        return [self._of(t, verdicts[id(t)].turns, graded.id) for t in graded.trajectories_G]

    def _of(self, trajectory: Trajectory, outcomes: Sequence[float], name: str) -> Pay:
        if len(outcomes) != trajectory.turns:
            raise PonderError(
                f"reward self_correction: {len(outcomes)} outcomes for the {trajectory.turns} turns of an answer to "
                f"{name}; it needs an environment that checks every turn: set environment.kind=second_look"
            )
        ends = {turn: step for step, turn in enumerate(trajectory.turn_S)}  # the last step of each turn
        steps_S = [0.0] * len(trajectory.steps)
        steps_S[ends[0]] = self.first * outcomes[0]
        for turn in range(1, len(outcomes)):
            before, now = outcomes[turn - 1], outcomes[turn]
            steps_S[ends[turn]] = now + self.alpha * (now - before)
        return Pay(steps_S=tuple(steps_S))
