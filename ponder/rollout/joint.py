"""Groups of environments in which several answers come about together: matches of a game, a proposer and its solvers.

`group_size` is the number of joint episodes a problem. Their answers are put into groups by role and question: what two
answers saw is the same, so they can be compared.
"""

from __future__ import annotations

from collections.abc import Sequence

from ponder.protocols import Joint, Propose, Together
from ponder.search.common import together
from ponder.types import Group, PonderError, Problem, Trajectory, Usage, Verdict


async def joint_groups(
    environment: Together,
    problems: Sequence[Problem],
    sizes: Sequence[int | None],
    propose: Propose,
    *,
    max_tokens: int,
    seed: int,
) -> tuple[tuple[Group, ...], Usage, dict[str, float]]:
    """The groups in the order of their problems, their cost, and means of what each episode measured."""
    if any(size is None for size in sizes):
        raise PonderError("group_size=None means all that a search finds; where answers come about together, give one")
    jobs = [(problem, member) for problem, size in zip(problems, sizes, strict=True) for member in range(size or 0)]
    played: list[Joint] = await together(
        [environment.joint(problem, member, propose, max_tokens=max_tokens, seed=seed) for problem, member in jobs]
    )
    groups: dict[tuple[str, str, str], list[tuple[Problem, Trajectory, Verdict]]] = {}
    for (problem, _), joint in zip(jobs, played, strict=True):
        for asked, trajectory, verdict in joint.answers:
            key = problem.id, str(asked.key.data.get("role", "")), asked.question.text
            groups.setdefault(key, []).append((asked, trajectory, verdict))
    usage = Usage(kept=sum(joint.tokens for joint in played), calls=sum(joint.calls for joint in played))
    return tuple(_group(some) for some in groups.values()), usage, _means(played)


def _group(some: Sequence[tuple[Problem, Trajectory, Verdict]]) -> Group:
    return Group(some[0][0], tuple(t for _, t, _ in some), tuple(v for *_, v in some))


def _means(played: Sequence[Joint]) -> dict[str, float]:
    names = dict.fromkeys(name for joint in played for name in joint.metrics)
    found = {name: [joint.metrics[name] for joint in played if name in joint.metrics] for name in names}
    return {name: sum(values) / len(values) for name, values in found.items()}
