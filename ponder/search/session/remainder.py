"""What a guided search leaves of its budget buys plain samples, which join its candidates and are scored like them.

Here an answer exists, so a sample is worth drawing as soon as one of the usual length surely fits: its cap is what
remains, and one that is cut by it is dropped, as in `waves`.
"""

from __future__ import annotations

from collections.abc import Sequence

from ponder.search.session.budget import affordable, largest
from ponder.search.session.choose import Candidate
from ponder.search.session.session import Desk
from ponder.search.session.within_budget import ended
from ponder.types import Trajectory


async def with_leftover(desk: Desk, found: Sequence[Candidate], most: int) -> list[Candidate]:
    """`found` and plain samples, `most` in all; those that have no score yet are scored where the budget allows it."""
    waiting = [c.trajectory for c in found if c.score is None] if desk.judge else []
    extra: list[Trajectory] = []
    wanted = most - len(found)
    while wanted > 0:
        n, tokens = _next(desk, [*waiting, *extra], wanted)
        thinking = tokens - desk.limits.answer_reserve
        came = await desk.grow(None, n, until="end", max_tokens=thinking, name="draw") if n else []
        extra += ended(came)
        wanted -= n
        if not n or len(came) < n:
            break
    new = [*waiting, *extra]
    pays = len(found) + len(extra) > 1 and desk.owed(new) <= desk.remaining
    scores = await desk.scores(new) if pays else [None] * len(new)
    late = {t.leaf: score for t, score in zip(new, scores, strict=True)}
    known = [late.get(c.trajectory.leaf, c.score) for c in found] + [late[t.leaf] for t in extra]
    return desk.candidates([*(c.trajectory for c in found), *extra], known)


def _next(desk: Desk, waiting: Sequence[Trajectory], wanted: int) -> tuple[int, int]:
    """How many samples to draw next and how long each may get; 0 if none of the usual length fits."""
    most, left = desk.limits.max_tokens, desk.remaining - desk.owed(waiting)
    if n := min(wanted, affordable(left, most + desk.cost(most))):
        return n, most
    longest = largest(0, most, lambda tokens: tokens + desk.cost(tokens) <= left)
    usual = max(desk.limits.least, desk.pace.length) if desk.pace.known else most
    return (1, longest) if longest >= usual else (0, 0)
