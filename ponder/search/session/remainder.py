"""What a guided search leaves of its budget buys plain samples, which join its candidates and are scored like them.

Here an answer exists, so a sample is worth drawing as soon as one of the usual length surely fits: its cap is what
remains, and one that is cut by it is dropped, as in `waves`.
"""

from __future__ import annotations

from collections.abc import Sequence

from ponder.search.session.budget import affordable, largest
from ponder.search.session.choose import Candidate
from ponder.search.session.session import SearchSession
from ponder.search.session.within_budget import ended
from ponder.types import Trajectory


async def with_remainder(session: SearchSession, found: Sequence[Candidate], most: int) -> list[Candidate]:
    """`found` and plain samples, `most` in all; those that have no score yet are scored where the budget allows it."""
    waiting = [c.trajectory for c in found if c.score is None] if session.judge else []
    extra: list[Trajectory] = []
    wanted = most - len(found)
    while wanted > 0:
        n, tokens = _next(session, [*waiting, *extra], wanted)
        thinking = tokens - session.limits.answer_reserve
        came = await session.grow(None, n, until="end", max_tokens=thinking, name="draw") if n else []
        extra += ended(came)
        wanted -= n
        if not n or len(came) < n:
            break
    new = [*waiting, *extra]
    pays = len(found) + len(extra) > 1 and session.owed(new) <= session.remaining
    scores = await session.scores(new) if pays else [None] * len(new)
    late = {t.leaf: score for t, score in zip(new, scores, strict=True)}
    known = [late.get(c.trajectory.leaf, c.score) for c in found] + [late[t.leaf] for t in extra]
    return session.candidates([*(c.trajectory for c in found), *extra], known)


def _next(session: SearchSession, waiting: Sequence[Trajectory], wanted: int) -> tuple[int, int]:
    """How many samples to draw next and how long each may get; 0 if none of the usual length fits."""
    most, left = session.limits.max_tokens, session.remaining - session.owed(waiting)
    if n := min(wanted, affordable(left, most + session.cost(most))):
        return n, most
    longest = largest(0, most, lambda tokens: tokens + session.cost(tokens) <= left)
    usual = max(session.limits.least, session.pace.length) if session.pace.known else most
    return (1, longest) if longest >= usual else (0, 0)
