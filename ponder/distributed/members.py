"""One process of a cluster as whoever asks it sees it: calls with deadlines, and `Lost` when it is not there any more.

A member is never asked again after it was lost; its place is taken by a new one. So nothing that an old one still says
is heard (an actor outlives its raylet by seconds), and no call is repeated by Ray behind our back.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from ponder.distributed.messages import Packed


class Lost(Exception):
    """A part is gone or gives no sign of life. The text says how that showed."""


class Member(Protocol):
    """One process. `name` is for people."""

    @property
    def name(self) -> str: ...

    async def call(self, method: str, *arguments: Any, seconds: float) -> Any:
        """What the method gave. Raises what it raised, or Lost if the process died or `seconds` passed."""
        ...

    def kill(self) -> None:
        """End it, whatever it does; never raises and never waits."""
        ...


# Starts the member of a place; the number counts those that were there before. Raises Lost if it cannot be started.
Launch = Callable[[int, int], Awaitable[Member]]
# Puts weights where all members can fetch them; what it returns is given to their `load`.
Share = Callable[[Packed], Any]
# Hears of what happened: a kind and facts.
Heard = Callable[[str, dict[str, Any]], None]


def silent(kind: str, facts: dict[str, Any]) -> None:
    """Nobody hears."""
