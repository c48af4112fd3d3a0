"""Step labels by Monte-Carlo rollouts (Math-Shepherd, arXiv 2312.08935, soft form).

The label of a step is the share of `rollouts` continuations after it that reach a right answer. The last step needs no
rollouts: its label is the outcome of the trajectory itself. Labels estimate the *value of the prefix* under the
policy, not the correctness of the step, so scores trained on them are read at the last step.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from ponder.protocols import Propose
from ponder.rollout.collect import Grade
from ponder.seeds import derive_seed
from ponder.thinking import graded_text
from ponder.types import Group, Problem, Step, StepLabel, Trajectory, Verdict


@dataclass(frozen=True, slots=True)
class Labelled:
    """A trajectory with labels for some of its steps, in step order; steps without a label are not trained on.

    `outcome` is the grade of the whole trajectory (None: not known here). `first_error` is the index of the first
    wrong step, -1 if no step is wrong, None if it was not looked for.
    """

    problem: Problem
    trajectory: Trajectory
    labels: tuple[StepLabel, ...]
    tokens_spent: int = 0
    outcome: float | None = None
    first_error: int | None = None


def outcome_labels(groups: Sequence[Group]) -> list[Labelled]:
    """The free labels: the last step of every judged trajectory has its outcome as value."""
    return [
        Labelled(group.problem, trajectory, (StepLabel(len(trajectory.steps) - 1, outcome, 1),))
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
    """Label one right and one wrong trajectory of every group that has both (else its first judged one).

    At most `most_steps` inner steps of each, evenly spread. `max_tokens` bounds prefix and continuation together, so
    a rollout meets the same limit as the trajectory it starts from.
    """
    chosen = [(group.problem, trajectory, outcome) for group in groups for trajectory, outcome in _contrast(group)]
    jobs = [
        (problem, trajectory, k)
        for problem, trajectory, _ in chosen
        for k in spread(len(trajectory.steps) - 1, most_steps)
    ]
    leaves = await asyncio.gather(*(_continue(propose, t, k, rollouts, max_tokens, seed) for _, t, k in jobs))
    flat = [(job[0], leaf) for job, some in zip(jobs, leaves, strict=True) for leaf in some]
    verdicts = iter(grade([p for p, _ in flat], [graded_text(Trajectory(p.question, leaf)) for p, leaf in flat]))
    values: dict[tuple[int, int], tuple[StepLabel | None, int]] = {}
    for (_, trajectory, k), some in zip(jobs, leaves, strict=True):
        spent = sum(_new_tokens(leaf, trajectory.steps[k]) for leaf in some)
        values[id(trajectory), k] = (_value(k, [next(verdicts) for _ in some]), spent)
    return [_labelled(problem, trajectory, outcome, values) for problem, trajectory, outcome in chosen]


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


async def _continue(
    propose: Propose, trajectory: Trajectory, k: int, rollouts: int, max_tokens: int, seed: int
) -> list[Step]:
    step = trajectory.steps[k]
    left = max_tokens - sum(len(s.tokens) for s in step.path)
    below = derive_seed("step label", seed, k, trajectory.tokens)
    return await propose(trajectory.question, step, rollouts, until="end", max_tokens=left, seed=below)


def _new_tokens(leaf: Step, prefix: Step) -> int:
    return sum(len(s.tokens) for s in leaf.path) - sum(len(s.tokens) for s in prefix.path)


def _value(k: int, verdicts: Sequence[Verdict]) -> StepLabel | None:
    outcomes = [v.outcome for v in verdicts if v.outcome is not None]
    return StepLabel(k, sum(outcomes) / len(outcomes), len(outcomes)) if outcomes else None


def _labelled(
    problem: Problem,
    trajectory: Trajectory,
    outcome: float,
    values: dict[tuple[int, int], tuple[StepLabel | None, int]],
) -> Labelled:
    last = len(trajectory.steps) - 1
    found = [values[id(trajectory), k] for k in range(last) if (id(trajectory), k) in values]
    inner = tuple(label for label, _ in found if label is not None)
    spent = sum(tokens for _, tokens in found)
    return Labelled(problem, trajectory, (*inner, StepLabel(last, outcome, 1)), spent)
