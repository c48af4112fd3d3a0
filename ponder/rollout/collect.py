"""Problems to judged groups: every problem is answered several times by the policy and graded against its key."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from ponder.protocols import Propose
from ponder.thinking import graded_text, opens_thinking
from ponder.types import Group, Problem, Trajectory, Verdict

Grade = Callable[[Sequence[Problem], Sequence[str]], list[Verdict]]


async def collect(
    problems: Sequence[Problem],
    propose: Propose,
    grade: Grade,
    *,
    group_size: int | Sequence[int],
    max_tokens: int,
    seed: int,
) -> list[Group]:
    """One group of `group_size` whole trajectories a problem, in the order of `problems`; sizes may differ.

    A group of size 0 is no group and left out. All problems are sampled at once, so the engine sees one large batch;
    grading follows in one call.
    """
    sizes = [group_size] * len(problems) if isinstance(group_size, int) else list(group_size)
    trajectories_PG = await sample(problems, propose, n=sizes, max_tokens=max_tokens, seed=seed)
    return judge(problems, trajectories_PG, grade, opened=opens_thinking(propose))


async def sample(
    problems: Sequence[Problem], propose: Propose, *, n: Sequence[int], max_tokens: int, seed: int
) -> list[list[Trajectory]]:
    """As many whole trajectories for each problem as `n` says."""

    async def one(problem: Problem, size: int) -> list[Trajectory]:
        question = problem.question
        leaves = await propose(question, None, size, until="end", max_tokens=max_tokens, seed=seed)
        return [Trajectory(question, leaf) for leaf in leaves]

    return list(await asyncio.gather(*map(one, problems, n)))


def judge(
    problems: Sequence[Problem],
    trajectories_PG: Sequence[Sequence[Trajectory]],
    grade: Grade,
    *,
    opened: bool = True,
) -> list[Group]:
    """Grade all trajectories in one call. A problem for which nothing could be sampled has no group.

    With `opened` (the prompt opens the thinking), one that was cut in its thinking has no answer and is wrong.
    """
    pairs = [(p, t) for p, group in zip(problems, trajectories_PG, strict=True) for t in group]
    verdicts = iter(grade([p for p, _ in pairs], [graded_text(t, opened=opened) for _, t in pairs]))
    groups = []
    for problem, trajectories in zip(problems, trajectories_PG, strict=True):
        if trajectories:
            groups.append(Group(problem, tuple(trajectories), tuple(next(verdicts) for _ in trajectories)))
    return groups
