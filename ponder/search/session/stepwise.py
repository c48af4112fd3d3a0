"""What step-by-step searches share: how many leaves a round may open, opening them, and finishing what is alive.

Two plans. The plan by worst cases holds back, for each branch that stays, a full trajectory's remaining tokens and its
last judgement. Where that leaves no room for a full round, the plan by pace takes the lengths of steps and answers seen
so far for this question and opens as many leaves as will then last to the end of the budget; it begins no search that
could not give one parent all its children. It holds back only what closes each branch by force, and its calls are
capped, so it may end a branch early but never overspends. Near the end of the budget the search narrows, and when no
choice between two leaves fits any more, what is alive is completed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ponder.search.common import together
from ponder.search.session.budget import largest
from ponder.search.session.choose import Candidate
from ponder.search.session.session import SearchSession
from ponder.types import StopReason, Trajectory

Branch = Trajectory | None  # None: the root, from which nothing has been drawn


@dataclass(frozen=True, slots=True)
class Round:
    """A round's shape: `stride` steps a leaf of at most `step_tokens` each, one leaf in `expand` stays.

    `ahead` further steps are looked at and thrown away. `leaves` is how many a plan allows, 0 for none.
    """

    expand: int
    step_tokens: int
    stride: int = 1
    ahead: int = 0
    leaves: int = 0

    def grown(self, session: SearchSession, longest: int) -> int:
        """The longest that a leaf may get whose parent has `longest` tokens."""
        return min(longest + self.stride * self.step_tokens, session.limits.max_tokens)

    def leaf(self, session: SearchSession, longest: int, unread: int) -> float:
        """The most that one leaf may cost whose parent has at most `longest` tokens, `unread` by the judge."""
        steps = (self.stride + self.ahead) * self.step_tokens
        return steps + session.cost(min(longest + steps, session.limits.max_tokens), unread + steps)

    def with_leaves(self, leaves: int, step_tokens: int | None = None) -> Round:
        return Round(self.expand, step_tokens or self.step_tokens, self.stride, self.ahead, leaves)


def length(branch: Branch) -> int:
    return 0 if branch is None else len(branch)


def is_over(leaf: Trajectory) -> bool:
    """Whether this leaf is a finished trajectory and not merely cut."""
    return leaf.stop in (StopReason.END, StopReason.CANCELLED)


def is_full(session: SearchSession, leaf: Trajectory) -> bool:
    """Whether nothing but an answer can follow: no tokens are left, or the policy added none."""
    return len(leaf) >= session.limits.thinking or leaf.stop is StopReason.CONTEXT or not leaf.leaf.tokens


def plan(
    session: SearchSession,
    live: Sequence[Branch],
    wanted: int,
    shape: Round,
    *,
    learn: bool,
    held: Sequence[Trajectory] = (),
) -> Round:
    """The next round, at most `wanted` leaves, in what remains beside judging `held`; no leaves if it opens not two."""
    remaining = session.remaining - session.owed(held)
    planned = _by_worst_case(session, live, wanted, shape, remaining)
    if learn and planned.leaves < wanted and session.pace.known:
        guessed = _by_pace(session, live, wanted, shape, remaining)
        return guessed if guessed.leaves > planned.leaves else planned
    return planned


def _by_worst_case(
    session: SearchSession, live: Sequence[Branch], wanted: int, shape: Round, remaining: float
) -> Round:
    most = session.limits.max_tokens
    leaf = shape.leaf(session, max(map(length, live)), _unread(session, live))
    ahead = most - min(map(length, live))  # a leaf that stays was read before it is completed
    finish = ahead + session.cost(most, ahead)
    fits = (n for n in range(wanted, 1, -1) if n * leaf + kept(n, shape.expand) * finish <= remaining)
    return shape.with_leaves(next(fits, 0))


def _by_pace(session: SearchSession, live: Sequence[Branch], wanted: int, shape: Round, remaining: float) -> Round:
    pace, longest = session.pace, max(map(length, live))
    capped = shape.with_leaves(0, min(shape.step_tokens, 2 * pace.longest))
    at = sum(map(length, live)) / len(live)
    ahead = max(pace.length - at, pace.step)
    rounds = math.ceil(ahead / (pace.step * shape.stride))
    steps = (shape.stride + shape.ahead) * pace.step
    each = rounds * (steps + session.cost(math.ceil(at + ahead / 2), math.ceil(steps)))
    reserve, leaf = session.limits.answer_reserve, capped.leaf(session, longest, _unread(session, live))
    close = reserve + session.cost(min(capped.grown(session, longest) + reserve, session.limits.max_tokens), reserve)
    most, least = min(wanted, int(remaining / each)), min(wanted, shape.expand) if live[0] is None else 2
    fits = (n for n in range(most, max(2, least) - 1, -1) if n * leaf + kept(n, shape.expand) * close <= remaining)
    return capped.with_leaves(next(fits, 0))


def _unread(session: SearchSession, live: Sequence[Branch]) -> int:
    return max(map(session.unread, live))


def kept(leaves: int, expand: int) -> int:
    """How many of a round's leaves go on: n/m, at least one."""
    return max(1, leaves // expand)


async def open_leaves(session: SearchSession, parents: Sequence[Branch], shape: Round) -> list[list[Trajectory]]:
    """The round's leaves, spread evenly over `parents` (the first get one more), as lists a parent.

    A step that reaches `step_tokens` is cut there and goes on in the next round.
    """
    share, extra = divmod(shape.leaves, len(parents))
    families = await together([_step(session, p, share + (i < extra), shape) for i, p in enumerate(parents)])
    for _ in range(shape.stride - 1):
        families = [await together([_further(session, leaf, shape) for leaf in family]) for family in families]
    return families


async def _step(session: SearchSession, parent: Branch, n: int, shape: Round, name: str = "step") -> list[Trajectory]:
    left = min(shape.step_tokens, session.limits.thinking - length(parent))
    return await session.grow(parent, n, until="step", max_tokens=left, name=name)


async def _further(session: SearchSession, leaf: Trajectory, shape: Round) -> Trajectory:
    """`leaf` one step further, if anything can follow."""
    if is_over(leaf) or is_full(session, leaf):
        return leaf
    grown = await _step(session, leaf, 1, shape)
    return grown[0] if grown else leaf


async def finish(session: SearchSession, live: Sequence[Trajectory]) -> list[Candidate]:
    """Complete branches by plain sampling, force the answers of those that are cut, score all in one call.

    Each gets an equal share of what remains. If that is less than the pace so far says they need, fewer are completed.
    """
    count, left, judged = _shares(session, live)
    session.drop(live[count:])
    ends, growing = list(live[:count]), [i for i in range(count) if left[i]]
    calls = [session.grow(live[i], 1, until="end", max_tokens=left[i], name="end") for i in growing]
    for i, grown in zip(growing, await together(calls), strict=True):
        ends[i] = grown[0] if grown else ends[i]
    closed = await session.close(ends)
    return session.candidates(closed, await session.scores(closed) if judged else None)


def _shares(session: SearchSession, live: Sequence[Trajectory]) -> tuple[int, list[int], bool]:
    """How many branches to complete, the thinking tokens that each may still have, and whether all can be judged."""
    remaining = session.remaining - session.owed(())
    for count in range(len(live), 0, -1):
        left = [_affords(session, t, remaining / count) for t in live[:count]]
        if all(a >= 0 and a >= min(_full(session, t), _needs(session, t)) for a, t in zip(left, live, strict=False)):
            return count, left, True
    if not live:
        return 0, [], True
    first = _affords(session, live[0], remaining)
    if first >= 0:
        return 1, [first], True
    unjudged = int(session.remaining) - session.limits.answer_reserve
    return (1, [min(unjudged, _full(session, live[0]))], False) if unjudged >= 0 else (0, [], False)


def _full(session: SearchSession, leaf: Trajectory) -> int:
    return 0 if is_full(session, leaf) else session.limits.thinking - len(leaf)


def _needs(session: SearchSession, leaf: Trajectory) -> float:
    return max(session.pace.step, session.pace.length - len(leaf)) if session.pace.known else math.inf


def _affords(session: SearchSession, leaf: Trajectory, share: float) -> int:
    """The most thinking tokens that `leaf` may still have so that closing and judging it fits into `share`; or -1."""
    reserve, unread = session.limits.answer_reserve, session.unread(leaf)

    def fits(tokens: int) -> bool:
        new = tokens + reserve
        return new + session.cost(len(leaf) + new, unread + new) <= share

    return largest(-1, _full(session, leaf), fits)
