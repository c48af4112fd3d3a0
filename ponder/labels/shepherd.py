"""Math-Shepherd labels (arXiv 2312.08935, eq. 3 and 4): the same number of rollouts after every step.

    soft: share of N rollouts that end right        hard: 1 if any of them does, else 0

The last step needs no rollouts, its label is the outcome. Cost is N rollouts for each inner step of each trajectory,
less what trajectories with equal beginnings share. More rollouts lower the chance to miss a good step, (1-p)^N, and
raise the chance to pass a bad one by luck, 1-(1-q)^N: hard labels do not simply become better with N.

With a deterministic policy both forms agree. When the budget runs out, the steps not reached have no label.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from ponder.labels.labelled import Labelled, first_zero
from ponder.labels.rollouts import Estimate, Rollouts, tokens_of
from ponder.types import Group, Step, StepLabel, Trajectory


async def shepherd(group: Group, rollouts: Rollouts, *, n: int) -> list[Labelled]:
    """Soft labels for all steps of all judged trajectories of the group, `n` rollouts a step."""
    steps = {tokens_of(step): step for trajectory, _ in group.judged for step in trajectory.steps[:-1]}
    found = await estimates(list(steps.values()), rollouts, n)
    by_tokens = dict(zip(steps, found, strict=True))
    return [
        labelled(trajectory, outcome, [by_tokens[tokens_of(step)] for step in trajectory.steps[:-1]])
        for trajectory, outcome in group.judged
    ]


async def estimates(prefixes: Sequence[Step | None], rollouts: Rollouts, n: int) -> list[Estimate | None]:
    """Estimates of all prefixes, in as few batches as the budget allows (one without a budget).

    A batch reserves the worst case, so what it leaves over pays for another one; None where nothing was left.
    """
    found: list[Estimate | None] = [None] * len(prefixes)
    waiting = list(range(len(prefixes)))
    while waiting:
        batch = await asyncio.gather(*(rollouts.after(prefixes[i], n) for i in waiting))
        for i, estimate in zip(waiting, batch, strict=True):
            found[i] = estimate
        left = [i for i in waiting if found[i] is None]
        if len(left) == len(waiting):
            break
        waiting = left
    return found


def labelled(trajectory: Trajectory, outcome: float, inner_S: Sequence[Estimate | None]) -> Labelled:
    """A trajectory with the values of its inner steps (None: not estimated) and its outcome as the value of the last.

    The first error is known where every inner step has a value.
    """
    labels = [
        StepLabel(k, estimate.value, len(estimate.judged))
        for k, estimate in enumerate(inner_S)
        if estimate is not None and estimate.value is not None
    ]
    last = len(trajectory.steps) - 1
    complete = len(labels) == last
    labels.append(StepLabel(last, outcome, 1))
    error = first_zero(labels) if complete else None
    return Labelled(trajectory, tuple(labels), outcome=outcome, first_error=error)


def hard(item: Labelled) -> Labelled:
    """The same trajectory with hard labels."""
    labels = tuple(replace(label, value=float(label.value > 0)) for label in item.labels)
    return replace(item, labels=labels)
