"""What a reward component is, and how the components of a run are added up."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import fsum
from typing import Annotated

from pydantic import Field

from ponder.plugins import Plugin
from ponder.types import Group, PonderError, Trajectory, Verdict


@dataclass(frozen=True, slots=True)
class Graded:
    """The judged trajectories of one group, G of them, as a component sees them.

    `outcomes_G` are ground truth (1.0 right, 0.0 wrong). `scores_G` are what the verifier of the run says of each: a
    `Verdict` with `score` and `step_scores`; empty where no component asked for a verifier.
    `judged_G` is what a judging model says of each by a rubric: a `score`, or a failure (empty: nobody asked it).
    `formed` says whether a trajectory has the form that the policy's frame asks for; None: an answer behind thinking.
    `reference_GT` are the log-probabilities of each token under the policy of the start, likewise. Trajectories that
    could not be judged are not here: they earn nothing and are not trained on.
    """

    group: Group
    trajectories_G: tuple[Trajectory, ...]
    outcomes_G: tuple[float, ...]
    scores_G: tuple[Verdict, ...] = ()
    reference_GT: tuple[tuple[float, ...], ...] = ()
    judged_G: tuple[Verdict, ...] = ()
    formed: Callable[[Trajectory], bool] | None = None

    @property
    def id(self) -> str:
        return self.group.problem.id

    def __len__(self) -> int:
        return len(self.trajectories_G)


@dataclass(frozen=True, slots=True)
class Pay:
    """What one component pays one trajectory: `total` at its end, `steps_S` at the end of each step (or nothing)."""

    total: float = 0.0
    steps_S: tuple[float, ...] = ()


class Component(Plugin):
    """One part of the reward. `pay` returns one `Pay` (or plain number) for each trajectory, in order.

    `weight` scales everything it pays. A component that needs the run's verifier names it in `needs`.
    """

    weight: Annotated[float, Field(allow_inf_nan=False)] = 1.0

    def pay(self, graded: Graded) -> Sequence[Pay | float]:
        raise NotImplementedError(f"{type(self).__name__} has no pay method")


@dataclass(frozen=True, slots=True)
class Earned:
    """A trajectory with its reward: `reward` at its end, `steps_S` at the end of each of its steps (empty: none).

    `parts` are the weighted totals of each component, steps included, by kind: their sum is `total`.
    """

    trajectory: Trajectory
    reward: float
    steps_S: tuple[float, ...] = ()
    parts: Mapping[str, float] = field(default_factory=dict)

    @property
    def total(self) -> float:
        """All that the trajectory earned, in whatever places."""
        return fsum((self.reward, *self.steps_S)) if self.steps_S else self.reward


def earned(components: Sequence[Component], graded: Graded) -> list[Earned]:
    """The weighted sum of the components for each trajectory. PonderError if one pays the wrong number of amounts."""
    pays = [(component, list(_pays(component, graded))) for component in components]
    out = []
    for index, trajectory in enumerate(graded.trajectories_G):
        reward, steps_S, parts = 0.0, [0.0] * len(trajectory.steps), dict[str, float]()
        paid_at_steps = False
        for component, pays_G in pays:
            pay = pays_G[index]
            reward += component.weight * pay.total
            for place, amount in enumerate(pay.steps_S):
                steps_S[place] += component.weight * amount
                paid_at_steps = True
            parts[component.kind] = parts.get(component.kind, 0.0) + component.weight * fsum((pay.total, *pay.steps_S))
        out.append(Earned(trajectory, reward, tuple(steps_S) if paid_at_steps else (), parts))
    return out


def _pays(component: Component, graded: Graded) -> Iterator[Pay]:
    paid = component.pay(graded)
    if len(paid) != len(graded):
        raise PonderError(f"reward {component.kind}: {len(paid)} amounts for {len(graded)} answers to {graded.id}")
    for amount, trajectory in zip(paid, graded.trajectories_G, strict=True):
        pay = amount if isinstance(amount, Pay) else Pay(float(amount))
        if pay.steps_S and len(pay.steps_S) != len(trajectory.steps):
            raise PonderError(
                f"reward {component.kind}: {len(pay.steps_S)} step rewards for an answer to {graded.id} of "
                f"{len(trajectory.steps)} steps"
            )
        if not all(map(math.isfinite, (pay.total, *pay.steps_S))):
            raise PonderError(
                f"reward {component.kind}: it pays {pay.total} for an answer to {graded.id}; a reward must be finite"
            )
        yield pay
