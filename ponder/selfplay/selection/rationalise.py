"""Rationalisation (STaR, arXiv 2203.14465, section 3.2): answers to unsolved problems, drawn with the key as a hint.

The hint stands in the prompt of the draw alone. A right answer is put into its group under the *original* question, so
its row has the prompt without the hint; an answer whose text speaks of a hint is thrown away, for the hint must never
be in the target. Needs a key with an answer; problems whose key has none are left as they are.

Degenerate: a policy that cannot use the hint draws nothing right, and the cost is paid all the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ponder.protocols import Grade, Propose
from ponder.rollout.collect import collect
from ponder.types import Group, Problem, StopReason, Trajectory

HINT = "Hint: the answer is {answer}. Show how it is found."


async def rationalised(
    groups: Sequence[Group], propose: Propose, grade: Grade, *, tries: int, max_tokens: int, seed: int
) -> tuple[list[Group], dict[str, float]]:
    """The same groups, in order, those never solved with their right hinted answers added; and counts for the log."""
    unsolved = [g for g in groups if g.solve_rate == 0.0 and g.problem.key.answer is not None]
    hinted = [_hinted(group.problem) for group in unsolved]
    drawn = await collect(hinted, propose, grade, group_size=tries, max_tokens=max_tokens, seed=seed)
    by_problem = {group.problem.id: group for group in drawn}
    counts = {"rationalised": 0.0, "hint_leaks": 0.0}
    return [_joined(group, by_problem.get(group.problem.id), counts) for group in groups], counts


def _hinted(problem: Problem) -> Problem:
    hint = HINT.format(answer=problem.key.answer)
    return Problem(replace(problem.question, text=f"{problem.question.text}\n\n{hint}"), problem.key)


def _joined(group: Group, hinted: Group | None, counts: dict[str, float]) -> Group:
    if hinted is None or group.solve_rate != 0.0:
        return group
    kept = []
    for trajectory, verdict in zip(hinted.trajectories, hinted.verdicts, strict=True):
        if verdict.outcome is None or verdict.outcome < 0.5 or trajectory.stop is StopReason.LENGTH:
            continue
        if "hint" in trajectory.text.casefold():
            counts["hint_leaks"] += 1
            continue
        kept.append((Trajectory(group.problem.question, trajectory.leaf), verdict))
    counts["rationalised"] += len(kept)
    return Group(
        group.problem,
        (*group.trajectories, *(trajectory for trajectory, _ in kept)),
        (*group.verdicts, *(verdict for _, verdict in kept)),
    )
