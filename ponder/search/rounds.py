"""What step-by-step searches share: how many leaves a round may open, opening them, and finishing what is alive.

A round is planned so that the branches it keeps can always be finished. `plan` holds back, for each of them, a full
trajectory's remaining tokens and its last judgement. Near the end of the budget the search therefore narrows, and
when no choice between two leaves fits any more, what is alive is completed by plain sampling.
"""

from __future__ import annotations

from collections.abc import Sequence

from ponder.search.choose import Candidate
from ponder.search.common import together
from ponder.search.desk import Desk
from ponder.types import StopReason, Trajectory

Branch = Trajectory | None  # None: the root, from which nothing has been drawn


def length(branch: Branch) -> int:
    return 0 if branch is None else len(branch)


def is_over(leaf: Trajectory) -> bool:
    """Whether this leaf is a finished trajectory and not merely cut."""
    return leaf.stop in (StopReason.END, StopReason.CANCELLED)


def is_full(desk: Desk, leaf: Trajectory) -> bool:
    """Whether nothing but an answer can follow: no tokens are left, or the policy added none."""
    return len(leaf) >= desk.limits.thinking or leaf.stop is StopReason.CONTEXT or not leaf.leaf.tokens


def plan(desk: Desk, live: Sequence[Branch], wanted: int, expand: int, step_tokens: int) -> int:
    """The most leaves, at most `wanted`, that the next round may open; 0 if it could not open two."""
    longest, shortest = max(map(length, live)), min(map(length, live))
    most = desk.limits.max_tokens
    step = step_tokens + desk.cost(min(longest + step_tokens, most))
    finish = most - shortest + desk.cost(most)
    remaining = desk.remaining
    return next((n for n in range(wanted, 1, -1) if n * step + kept(n, expand) * finish <= remaining), 0)


def kept(leaves: int, expand: int) -> int:
    """How many of a round's leaves go on: n/m, at least one."""
    return max(1, leaves // expand)


async def open_leaves(desk: Desk, parents: Sequence[Branch], n: int, step_tokens: int) -> list[list[Trajectory]]:
    """`n` leaves one step further, spread evenly over `parents` (the first get one more), as lists a parent.

    A step that reaches `step_tokens` is cut there and goes on in the next round.
    """
    share, extra = divmod(n, len(parents))
    calls = [
        desk.grow(
            parent,
            share + (i < extra),
            until="step",
            max_tokens=min(step_tokens, desk.limits.thinking - length(parent)),
            name="step",
        )
        for i, parent in enumerate(parents)
    ]
    return await together(calls)


async def finish(desk: Desk, live: Sequence[Trajectory]) -> list[Candidate]:
    """Complete branches by plain sampling, force the answers of those that are cut, score all in one call."""
    left = [0 if is_full(desk, t) else desk.limits.thinking - len(t) for t in live]
    growing = [i for i, tokens in enumerate(left) if tokens]
    calls = [desk.grow(live[i], 1, until="end", max_tokens=left[i], name="end") for i in growing]
    ends = list(live)
    for i, grown in zip(growing, await together(calls), strict=True):
        ends[i] = grown[0] if grown else ends[i]
    closed = await desk.close(ends)
    return desk.candidates(closed, await desk.scores(closed))
