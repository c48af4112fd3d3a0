"""Math-Shepherd labels as the self-play loop wants them: few trajectories, few steps, everything in two batches.

Of every group one right and one wrong trajectory (else its first judged one), at most so many inner steps of each,
evenly spread. Labels estimate the *value of the prefix* under the policy, not the correctness of the step, so scores
trained on them are read at the last step. The method itself is `shepherd`; here all prefixes of all groups are drawn
at once and graded in one call, in a fixed order, so that a run gives the same labels whatever the timing.
"""

from __future__ import annotations

from collections.abc import Sequence

from ponder.labels.labelled import Labelled
from ponder.labels.rollouts import Prefix, Source, tokens_of
from ponder.labels.shepherd import labelled
from ponder.protocols import Propose
from ponder.rollout.collect import Grade
from ponder.types import Group, Problem, Step, Trajectory


def outcome_labels(groups: Sequence[Group]) -> list[Labelled]:
    """The free labels: the last step of every judged trajectory has its outcome as value."""
    return [
        labelled(trajectory, outcome, [None] * (len(trajectory.steps) - 1))
        for group in groups
        for trajectory, outcome in group.judged
    ]


async def label(
    groups: Sequence[Group],
    propose: Propose,
    grade: Grade,
    *,
    rollouts: int,
    most_steps: int,
    max_tokens: int,
    seed: int,
) -> list[Labelled]:
    """Label the chosen trajectories of all groups, each step from `rollouts` continuations.

    `max_tokens` bounds prefix and continuation together, so a rollout meets the same limit as the trajectory it starts
    from. A prefix that trajectories of one problem share is rolled out once.
    """
    source = Source(propose, grade, max_tokens=max_tokens, seed=seed)
    chosen = [(group.problem, trajectory, outcome) for group in groups for trajectory, outcome in _contrast(group)]
    jobs: dict[tuple[str, Prefix], tuple[Problem, Step]] = {}
    for problem, trajectory, _ in chosen:
        for k in inner(trajectory, most_steps):
            step = trajectory.steps[k]
            jobs[problem.id, tokens_of(step)] = problem, step
    found = dict(zip(jobs, await source.estimates(list(jobs.values()), rollouts), strict=True))
    return [
        labelled(trajectory, outcome, [found.get((problem.id, tokens_of(step))) for step in trajectory.steps[:-1]])
        for problem, trajectory, outcome in chosen
    ]


def inner(trajectory: Trajectory, most: int) -> list[int]:
    """Steps to label: those of the last turn, without the last step.

    Where an environment answered the policy, a rollout ends with its turn, so of an earlier one it would say nothing
    about the end.
    """
    first = trajectory.last_turn
    return [first + k for k in spread(len(trajectory.steps) - 1 - first, most)]


def spread(count: int, most: int) -> list[int]:
    """At most `most` of the indices 0..count-1, evenly spread, ends included: 3 of 5 are 0, 2 and 4."""
    if count <= most:
        return list(range(count))
    if most == 1:
        return [count // 2]
    return sorted({round(i * (count - 1) / (most - 1)) for i in range(most)})


def _contrast(group: Group) -> list[tuple[Trajectory, float]]:
    right = next((pair for pair in group.judged if pair[1] == 1.0), None)
    wrong = next((pair for pair in group.judged if pair[1] == 0.0), None)
    return [pair for pair in (right, wrong) if pair is not None]
