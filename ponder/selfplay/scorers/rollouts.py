"""Auxiliary rollouts for credit: outcomes of continuations from the question and from the ends of steps.

They are drawn from the policy (or another prover) as it is before the update, all at once, graded in one call, and then
forgotten: only their outcomes reach the credit rule, and no token of them is trained on.
"""

from __future__ import annotations

from collections.abc import Sequence

from ponder.algorithms.algorithm import RolloutSettings
from ponder.labels.contrast import inner
from ponder.labels.rollouts import Prefix, Source, tokens_of
from ponder.protocols import Propose
from ponder.rollout.collect import Grade
from ponder.types import Group, Problem, Step

Outcomes = tuple[float, ...] | None


async def rolled_out(
    groups: Sequence[Group],
    propose: Propose,
    grade: Grade,
    settings: RolloutSettings,
    *,
    max_tokens: int,
    seed: int,
) -> tuple[list[tuple[Outcomes, ...]], int]:
    """For each judged trajectory, in order, the outcomes from before each of its steps (None: not drawn there).

    Also how many rollouts were drawn. Prefixes that answers to one problem share are rolled out once.
    """
    jobs: dict[tuple[str, Prefix], tuple[Problem, Step | None]] = {}
    for group in groups:
        if not group.judged or (settings.mixed_only and group.solve_rate in (0.0, 1.0)):
            continue
        jobs[group.problem.id, ()] = group.problem, None
        for trajectory, _ in group.judged:
            for k in inner(trajectory, settings.most_steps):
                step = trajectory.steps[k]
                jobs[group.problem.id, tokens_of(step)] = group.problem, step
    source = Source(propose, grade, max_tokens=max_tokens, seed=seed)
    found = dict(zip(jobs, await source.estimates(list(jobs.values()), settings.rollouts), strict=True))
    known: dict[tuple[str, Prefix], Outcomes] = {key: estimate.judged or None for key, estimate in found.items()}
    rows = [
        tuple(known.get((group.problem.id, tokens_of(before))) for before in (None, *trajectory.steps[:-1]))
        for group in groups
        for trajectory, _ in group.judged
    ]
    return rows, sum(len(estimate.leaves) for estimate in found.values())
