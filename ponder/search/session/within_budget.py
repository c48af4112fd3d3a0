"""Draw whole trajectories in waves for as long as one more is worth its price and surely fits into the budget.

A wave asks for as many as fit at their worst: the longest trajectory allowed and the most that its judge may cost.
Most are shorter, so what they leave is spent in the next wave. When no full trajectory fits any more, one with a lower
cap is drawn as long as those that ended so far would on average have fitted under it.

A trajectory that was cut has no answer of its own. It is dropped if any other ended by itself: forced answers are
guesses, and in a vote they drown those that were worked out. Only if none ended are all of them made to answer. What
closing or judging the trajectories drawn so far will cost is held back, and so is reading the question until that is
done; all are judged in one call at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ponder.search.session.budget import affordable, largest
from ponder.search.session.choose import Candidate
from ponder.search.session.session import SearchSession
from ponder.types import StopReason, Trajectory


async def draw(
    session: SearchSession, most: int, *, every: int = 0, enough: Callable[[Sequence[Trajectory]], bool] | None = None
) -> list[Trajectory]:
    """Finished trajectories: of `most` drawn ones, or of as many as the budget and the source give.

    With `every` at most so many are drawn at a time, and `enough` is asked after each time whether to stop. A budget
    too small for a full trajectory and its judge gives one shorter trajectory, unjudged.
    """
    drawn: list[Trajectory] = []
    while len(drawn) < most and not (enough and drawn and enough(drawn)):
        n, tokens = _plan(session, drawn, min(most - len(drawn), every or most))
        came = await _wave(session, n, tokens) if n else []
        drawn.extend(came)
        if len(came) < max(n, 1):
            break
    return await _settled(session, drawn)


async def draw_until_sure(session: SearchSession, most: int, every: int, sure: float) -> list[Candidate]:
    """Draw and judge `every` trajectories at a time until one that has an answer scores `sure` or more."""
    found: list[Candidate] = []
    asked = 0
    while n := min(every, most - asked, fitting(session, ())):
        came = await _wave(session, n, session.limits.thinking)
        asked += n
        finished = await _settled(session, came)
        found += session.candidates(finished, await session.scores(finished))
        if len(came) < n or any(c.answer is not None and (c.score or 0.0) >= sure for c in found):
            break
    return found or session.candidates(await draw(session, 1))


def fitting(session: SearchSession, drawn: Sequence[Trajectory]) -> int:
    """How many full trajectories, judged, surely fit beside finishing those already drawn."""
    most_tokens = session.limits.max_tokens
    return affordable(session.remaining - _held_back(session, drawn), most_tokens + session.cost(most_tokens))


def ended(drawn: Sequence[Trajectory]) -> list[Trajectory]:
    """Those that came to an end by themselves."""
    return [t for t in drawn if t.stop is StopReason.END]


def _plan(session: SearchSession, drawn: Sequence[Trajectory], most: int) -> tuple[int, int]:
    """How many trajectories to draw next, and with how many tokens each; 0 to stop.

    Room for a forced answer is left until one has ended by itself.
    """
    if n := min(most, fitting(session, drawn)):
        return n, session.limits.thinking
    if not drawn:
        return 1, min(session.limits.max_tokens, int(session.remaining)) - session.limits.answer_reserve
    cap = min(session.limits.thinking, _affordable_length(session, drawn))
    usual = ended(drawn)
    return (1, cap) if usual and cap * len(usual) >= sum(map(len, usual)) else (0, 0)


def _affordable_length(session: SearchSession, drawn: Sequence[Trajectory]) -> int:
    """The longest trajectory that fits with its judge."""
    left = session.remaining - _held_back(session, drawn)
    return largest(0, session.limits.max_tokens, lambda tokens: tokens + session.cost(tokens) <= left)


def _held_back(session: SearchSession, drawn: Sequence[Trajectory]) -> float:
    """What judging those that ended costs; if none did, what closing and then judging all of them may cost."""
    if usual := ended(drawn):
        return session.owed(usual)
    reserve = session.limits.answer_reserve
    return session.owed(()) + sum(reserve + session.cost(len(t) + reserve) for t in drawn)


async def _wave(session: SearchSession, n: int, max_tokens: int) -> list[Trajectory]:
    """`n` trajectories from the root. Fewer: the source has no more."""
    return await session.grow(None, n, until="end", max_tokens=max_tokens, name="draw")


async def _settled(session: SearchSession, drawn: Sequence[Trajectory]) -> list[Trajectory]:
    """Those that ended by themselves; if none did, all of them with their answers forced."""
    return ended(drawn) or await session.close(drawn)
