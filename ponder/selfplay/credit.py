"""From judged groups to credit: verifier scores, rewards, a critic's values, then the algorithm.

Each stage happens only if something asks for it. What could not be judged earns nothing and gets no credit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import fsum
from typing import Protocol

from ponder.algorithms.algorithm import Algorithm, Answer, Answers, Batch, Credits, checked
from ponder.rewards.component import Component, Earned, Graded, earned
from ponder.selfplay.coupling.agreement import agreement
from ponder.selfplay.scorers.scorers import Found
from ponder.types import Group, Trajectory, Verdict


class Values(Protocol):
    """A critic: the value before each token of each trajectory."""

    def __call__(self, trajectories: Sequence[Trajectory], /) -> list[tuple[float, ...]]: ...


Scores = Callable[[Sequence[Trajectory]], list[Verdict]]


@dataclass(frozen=True)
class Credited:
    """The credits of an update, and for the log the mean of each reward component and what the algorithm measured.

    `agreed` says how verifier and truth agree on the answers, where the verifier was asked, and what other models said.
    """

    credits: Credits
    rewards: Mapping[str, float] = field(default_factory=dict)
    agreed: Mapping[str, float] = field(default_factory=dict)

    @property
    def metrics(self) -> dict[str, float]:
        paid = {f"reward/{name}": value for name, value in self.rewards.items()}
        return {**paid, **self.agreed, **self.credits.metrics}


@dataclass(frozen=True)
class Crediting:
    """`score` asks the verifier, `values` the critic and `ask` all others (None: nothing wants to know).

    `formed` is how the policy's frame tells the form of an answer.
    """

    rewards: Sequence[Component]
    algorithm: Algorithm
    score: Scores | None = None
    values: Values | None = None
    ask: Callable[[Sequence[Group]], Found] | None = None
    formed: Callable[[Trajectory], bool] | None = None

    def __call__(self, groups: Sequence[Group], memory: Mapping[str, float] | None = None) -> Credited:
        """Credit of every judged trajectory of every group, in order; `memory` is what the last update left."""
        found = Found() if self.ask is None else self.ask(groups)
        graded_P = self._scored(groups, found)
        agreed = _agreed(graded_P) if self.score is not None else {}
        earned_PG = [earned(self.rewards, graded) for graded in graded_P]
        batch = self._batch(graded_P, earned_PG, found, memory or {})
        credits = checked(batch, self.algorithm.credit(batch), self.algorithm.kind)
        if found.teacher:
            credits = _taught(credits, found.teacher)
        means = _means([one for earned_G in earned_PG for one in earned_G])
        return Credited(credits, means, {**agreed, **found.metrics})

    def _scored(self, groups: Sequence[Group], found: Found) -> list[Graded]:
        reference, opinions = iter(found.reference), iter(found.judged)
        judged = [group.judged for group in groups]
        flat = [trajectory for pairs in judged for trajectory, _ in pairs]
        scores = iter(self.score(flat)) if self.score is not None else None
        return [
            Graded(
                group,
                tuple(trajectory for trajectory, _ in pairs),
                tuple(outcome for _, outcome in pairs),
                () if scores is None else tuple(next(scores) for _ in pairs),
                tuple(next(reference) for _ in pairs) if found.reference else (),
                tuple(next(opinions) for _ in pairs) if found.judged else (),
                self.formed,
            )
            for group, pairs in zip(groups, judged, strict=True)
        ]

    def _batch(
        self,
        graded_P: Sequence[Graded],
        earned_PG: Sequence[Sequence[Earned]],
        found: Found,
        memory: Mapping[str, float],
    ) -> Batch:
        flat = [one.trajectory for earned_G in earned_PG for one in earned_G]
        nothing: list[tuple[()]] = [()] * len(flat)
        values = iter(self.values(flat) if self.values is not None else nothing)
        rollouts, implicit = iter(found.rollouts or nothing), iter(found.implicit or nothing)
        teacher = iter(found.teacher or nothing)
        groups = []
        for graded, earned_G in zip(graded_P, earned_PG, strict=True):
            scores_G = [verdict.step_scores or () for verdict in graded.scores_G] or [()] * len(earned_G)
            answers = [
                Answer(one, next(values), outcome, scores_S, next(rollouts), next(implicit), next(teacher))
                for one, outcome, scores_S in zip(earned_G, graded.outcomes_G, scores_G, strict=True)
            ]
            groups.append(Answers(graded.group.problem, tuple(answers)))
        weight = fsum(reward.weight for reward in self.rewards if reward.kind == "outcome")
        return Batch(tuple(groups), memory, weight)


def _taught(credits: Credits, teacher: Sequence[tuple[float, ...]]) -> Credits:
    """The same credits with the teacher's log-probabilities, which a loss may read."""
    said = iter(teacher)
    return replace(
        credits,
        credits_PG=tuple(
            tuple(replace(c, teacher_T=next(said)) for c in credits_G) for credits_G in credits.credits_PG
        ),
    )


def _agreed(graded_P: Sequence[Graded]) -> dict[str, float]:
    """Agreement of verifier and truth on these answers, by metric; what is not defined is left out."""
    verdicts = [verdict for graded in graded_P for verdict in graded.scores_G]
    outcomes = [outcome for graded in graded_P for outcome in graded.outcomes_G]
    data = agreement(verdicts, outcomes).as_data()
    return {f"verifier/{name}": value for name, value in data.items() if value is not None and name != "n"}


def _means(everything: Sequence[Earned]) -> dict[str, float]:
    """The mean of each component over all answers, weights included."""
    names = list(dict.fromkeys(name for one in everything for name in one.parts))
    return {name: fsum(one.parts.get(name, 0.0) for one in everything) / len(everything) for name in names}
