"""Draw whole trajectories in waves for as long as one more surely fits into the budget.

A wave asks for as many as fit at their worst: the longest trajectory allowed and the most that its judge may cost. Most
are shorter, so what they leave is spent in the next wave. What judging the trajectories drawn so far will cost is
known exactly and held back, and all are judged in one call at the end.
"""

from __future__ import annotations

from collections.abc import Sequence

from ponder.search.budget import affordable
from ponder.search.choose import Candidate
from ponder.search.desk import Desk
from ponder.types import Trajectory


async def draw(desk: Desk, most: int) -> list[Trajectory]:
    """Finished trajectories: `most` of them, or as many as the budget and the source give.

    A budget too small for a full trajectory and its judge gives one shorter trajectory, unjudged.
    """
    drawn: list[Trajectory] = []
    while len(drawn) < most:
        n = min(most - len(drawn), fitting(desk, drawn))
        if n == 0 and drawn:
            break
        tokens = desk.limits.max_tokens if n else min(desk.limits.max_tokens, int(desk.remaining))
        came = await wave(desk, max(n, 1), tokens)
        drawn.extend(came)
        if len(came) < max(n, 1):
            break
    return drawn


async def draw_until_sure(desk: Desk, most: int, every: int, sure: float) -> list[Candidate]:
    """Draw and judge `every` trajectories at a time until one that has an answer scores `sure` or more."""
    found: list[Candidate] = []
    while n := min(every, most - len(found), fitting(desk, ())):
        came = await wave(desk, n, desk.limits.max_tokens)
        found += desk.candidates(came, await desk.scores(came))
        if len(came) < n or any(c.answer is not None and (c.score or 0.0) >= sure for c in found):
            break
    return found or desk.candidates(await draw(desk, 1))


def fitting(desk: Desk, drawn: Sequence[Trajectory]) -> int:
    """How many full trajectories, judged, surely fit beside judging those already drawn."""
    most_tokens = desk.limits.max_tokens
    return affordable(desk.remaining - desk.price(drawn), most_tokens + desk.cost(most_tokens))


async def wave(desk: Desk, n: int, max_tokens: int) -> list[Trajectory]:
    """`n` trajectories of at most `max_tokens` tokens, answers included. Fewer: the source has no more."""
    thinking = max_tokens - desk.limits.answer_reserve
    return await desk.close(await desk.grow(None, n, until="end", max_tokens=thinking, name="draw"))
