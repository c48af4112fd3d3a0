"""From judged groups to credit: verifier scores, rewards, a critic's values, then the algorithm.

Each stage happens only if something asks for it. What could not be judged earns nothing and gets no credit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import fsum
from typing import Protocol

from ponder.algorithms.algorithm import Algorithm, Answer, Answers, Batch, Credits, checked
from ponder.rewards.component import Component, Earned, Graded, earned
from ponder.selfplay.coupling.agreement import agreement
from ponder.types import Group, Trajectory, Verdict


class Values(Protocol):
    """A critic: the value before each token of each trajectory."""

    def __call__(self, trajectories: Sequence[Trajectory], /) -> list[tuple[float, ...]]: ...


Scores = Callable[[Sequence[Trajectory]], list[Verdict]]


@dataclass(frozen=True)
class Credited:
    """The credits of an update, and for the log the mean of each reward component and what the algorithm measured.

    `agreed` says how verifier and truth agree on the answers, where the verifier was asked.
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
    """`score` asks the verifier (None: no reward wants it), `values` the critic (None: the algorithm has none)."""

    rewards: Sequence[Component]
    algorithm: Algorithm
    score: Scores | None = None
    values: Values | None = None

    def __call__(self, groups: Sequence[Group]) -> Credited:
        """Credit of every judged trajectory of every group, in order."""
        graded_P = self._scored(groups)
        agreed = _agreed(graded_P) if self.score is not None else {}
        earned_PG = [earned(self.rewards, graded) for graded in graded_P]
        batch = self._batch(groups, earned_PG)
        credits = checked(batch, self.algorithm.credit(batch), self.algorithm.kind)
        return Credited(credits, _means([one for earned_G in earned_PG for one in earned_G]), agreed)

    def _scored(self, groups: Sequence[Group]) -> list[Graded]:
        judged = [group.judged for group in groups]
        flat = [trajectory for pairs in judged for trajectory, _ in pairs]
        scores = iter(self.score(flat)) if self.score is not None else None
        return [
            Graded(
                group,
                tuple(trajectory for trajectory, _ in pairs),
                tuple(outcome for _, outcome in pairs),
                () if scores is None else tuple(next(scores) for _ in pairs),
            )
            for group, pairs in zip(groups, judged, strict=True)
        ]

    def _batch(self, groups: Sequence[Group], earned_PG: Sequence[Sequence[Earned]]) -> Batch:
        flat = [one.trajectory for earned_G in earned_PG for one in earned_G]
        values = iter(self.values(flat) if self.values is not None else [()] * len(flat))
        return Batch(
            tuple(
                Answers(group.problem, tuple(Answer(one, next(values)) for one in earned_G))
                for group, earned_G in zip(groups, earned_PG, strict=True)
            )
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
