"""Runs that are lost because an engine could not serve one of their calls.

A lost run is a failure of the infrastructure: neither right nor wrong, and no reason to lose the others. An engine that
serves nobody is an error: it ends everything as soon as that is plain, so that a dead server is not asked for hours.
"""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import TypeVar

from ponder.types import EngineError

GIVE_UP = 20  # runs lost before any came to its end
T = TypeVar("T")


@dataclass
class Losses:
    """Of `total` runs: how many came to their end, and what the engine said of the others."""

    total: int
    ended: int = 0
    errors: list[str] = field(default_factory=list)

    async def kept(self, run: Awaitable[T]) -> T | None:
        """The result of a run, None if it is lost. Raises EngineError if nobody has been served and many have tried."""
        try:
            result = await run
        except EngineError as error:
            self.errors.append(str(error))
            if not self.ended and len(self.errors) == GIVE_UP:
                self.refuse_if_all()
            return None
        self.ended += 1
        return result

    def refuse_if_all(self) -> None:
        """Raise EngineError if no run has come to its end and at least one was lost."""
        if self.errors and not self.ended:
            tried = len(self.errors)
            raise EngineError(
                f"the engine served none of the {tried} runs that were tried, of {self.total}, and no more were; the "
                f"first was lost with: {self.errors[0]}"
                if tried < self.total
                else f"the engine served none of {tried} runs; the first was lost with: {self.errors[0]}"
            )
