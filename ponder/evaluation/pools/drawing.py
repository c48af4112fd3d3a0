"""Draw the samples of a pool, as many a problem as the largest budget buys and some to spare, and who may use it.

A pool holds whole answers from the root. Strategies that draw nothing else are replayed on it; those that branch (beam,
tree searches) or ask the policy in other ways (revision, forcing) must be run again at every budget.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

from ponder.evaluation.pools.pool import Live, Pool, make_pool
from ponder.rollout.collect import collect
from ponder.search.planner.table import STOP, Plan, parsed
from ponder.seeds import derive_seed
from ponder.types import Group, Problem

FIRST = 8  # samples of each problem, from which the length of its others is guessed
SPARE = 1.25
REPLAYABLE = ("sample", "vote", "deepconf", "best_of_n", "weighted_vote")


def replayable(spec: str, plan: Plan | None = None) -> bool:
    """Whether a strategy (`name` or `name?key=value`) may be replayed; `auto` may if all may that `plan` chooses."""
    name, _ = parsed(spec)
    if name != "auto":
        return name in REPLAYABLE
    rows = () if plan is None else (*plan.table, *plan.halves[0], *plan.halves[1])
    chosen = {choice for row in rows for choice in (row.fixed, *row.choices)} - {STOP}
    return bool(rows) and all(replayable(choice) for choice in chosen)


async def draw_pool(
    problems: Sequence[Problem], live: Live, *, budget: float, max_tokens: int, seed: int, most: int = 256
) -> Pool:
    """At least `FIRST` samples a problem; where they are short, `SPARE` times what `budget` buys, at most `most`."""

    async def some(name: str, counts: Sequence[int]) -> list[Group]:
        draw = derive_seed("pool", name, seed)
        groups = await collect(problems, live.propose, live.grade, group_size=counts, max_tokens=max_tokens, seed=draw)
        return list(groups)

    first = await some("first", [FIRST] * len(problems))
    length = {g.problem.id: sum(map(len, g.trajectories)) / len(g.trajectories) for g in first}
    wanted = [min(most, ceil(SPARE * budget / max(1.0, length.get(p.id, budget)))) for p in problems]
    rest = {g.problem.id: g for g in await some("rest", [max(0, n - FIRST) for n in wanted])}
    return await make_pool([_joined(group, rest.get(group.problem.id)) for group in first], live, max_tokens=max_tokens)


def _joined(group: Group, other: Group | None) -> Group:
    if other is None:
        return group
    return Group(group.problem, group.trajectories + other.trajectories, group.verdicts + other.verdicts)
