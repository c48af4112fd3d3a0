"""Pairs of a right and a wrong answer to one problem, for a preference loss (`loss.kind=dpo`).

`preference` pairs whole answers: the i-th right one with the i-th wrong one, +1 on the tokens of the better, -1 on
those of the worse. `step_preference` blames only what went wrong (step-level DPO; RL on incorrect synthetic data,
arXiv 2406.14532): the worse row is trained up to and including its first wrong step, the first step after
which no auxiliary rollout ends right although one before it did. The rollouts tell where; they are not trained on.

DPO on arbitrary pairs of whole answers did not beat imitation on MATH there, pairs cut at the pit did. Degenerate: a
problem that is always or never solved has no pair and teaches nothing; so does, for `step_preference`, a wrong answer
whose values never fall to 0 before its end: its first wrong step is then the last, and all of it is blamed.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from ponder.algorithms.algorithm import Algorithm, Answer, Answers, Batch, Credits, RolloutSettings
from ponder.algorithms.group_relative import on_tokens
from ponder.algorithms.steps.segments import checked_steps, mean
from ponder.types import Credit


class Preference(Algorithm):
    """Right and wrong answers to one problem in pairs, for a preference loss."""

    kind: Literal["preference"] = "preference"
    source: ClassVar[str] = "DPO (arXiv 2305.18290) on a policy's own answers; iterative DPO (arXiv 2404.19733)"
    needs: ClassVar[tuple[str, ...]] = ("pair loss",)
    loss: ClassVar[str] = "dpo"
    pairs: ClassVar[bool] = True

    def credit(self, batch: Batch) -> Credits:
        credits_PG = tuple(paired(group, {}) for group in batch.groups_P)
        return Credits(credits_PG, _metrics(credits_PG))


class StepPreference(RolloutSettings):
    """Pairs whose wrong answer counts up to its first wrong step, which auxiliary rollouts find."""

    kind: Literal["step_preference"] = "step_preference"
    source: ClassVar[str] = "RL on incorrect synthetic data (arXiv 2406.14532); Step-DPO (arXiv 2406.18629)"
    needs: ClassVar[tuple[str, ...]] = ("rollouts", "pair loss")
    loss: ClassVar[str] = "dpo"
    pairs: ClassVar[bool] = True

    def credit(self, batch: Batch) -> Credits:
        credits_PG, places = [], []
        for group in batch.groups_P:
            ends = {i: self._blamed(a) for i, a in enumerate(group.answers_G) if a.outcome < 0.5}
            places += [end / len(group.answers_G[i].trajectory.steps) for i, end in ends.items()]
            credits_PG.append(paired(group, ends))
        return Credits(tuple(credits_PG), {**_metrics(credits_PG), "blamed_place": mean(places) or 0.0})

    def _blamed(self, answer: Answer) -> int:
        """How many steps of a wrong answer are blamed: up to the first place of value 0, all of them if none is."""
        checked_steps(answer, answer.rollouts_S, "places with rollouts", self.kind)
        hopeful = False
        for step, outcomes in enumerate(answer.rollouts_S):
            if not outcomes:
                continue
            if not any(outcome > 0.5 for outcome in outcomes) and hopeful:
                return step  # the steps before this place are 0 .. step - 1
            hopeful = hopeful or any(outcome > 0.5 for outcome in outcomes)
        return len(answer.trajectory.steps)


def paired(group: Answers, blamed: dict[int, int]) -> tuple[Credit, ...]:
    """Credits of a group: pairs in the order of its answers; who has no partner gets zeros.

    `blamed[i]` is how many steps of wrong answer i count (all where it is not named).
    """
    right = [i for i, answer in enumerate(group.answers_G) if answer.outcome > 0.5]
    wrong = [i for i, answer in enumerate(group.answers_G) if answer.outcome <= 0.5]
    names = {i: f"{group.problem.id}/{n}" for side in (right, wrong) for n, i in enumerate(side)}
    with_partner = {*right[: len(wrong)], *wrong[: len(right)]}
    credits = []
    for i, answer in enumerate(group.answers_G):
        sign = 1.0 if answer.outcome > 0.5 else -1.0
        advantages = list(on_tokens(answer.trajectory, sign if i in with_partner else 0.0))
        if i in with_partner and sign < 0 and i in blamed:
            kept = sum(len(step.tokens) for step in answer.trajectory.steps[: blamed[i]])
            advantages[kept:] = [0.0] * (len(advantages) - kept)
        name = names[i] if i in with_partner else ""
        credits.append(Credit(answer.trajectory, tuple(advantages), pair=name))
    return tuple(credits)


def _metrics(credits_PG: tuple[tuple[Credit, ...], ...] | list[tuple[Credit, ...]]) -> dict[str, float]:
    """How many pairs an update had."""
    return {"pairs": sum(bool(credit.pair) for credits_G in credits_PG for credit in credits_G) / 2}
