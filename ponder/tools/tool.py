"""What a tool is: a text in, a text out, with its own settings. A mistake of the caller and a broken tool differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar

from pydantic import Field

from ponder.plugins import Plugin


class Misused(Exception):
    """The call was wrong (a syntax error, a division by zero, a program that never ends). The policy reads why."""


class Tool(Plugin):
    """One tool that a policy may call while it thinks.

    `kind` is also its name in calls. `run` answers `argument`; `earlier` are the arguments of the calls of this tool
    on the same chain of thought that went well, oldest first, so that a tool with a state builds it anew and a search
    may branch after any call. It raises `Misused` for a mistake of the caller. Any other exception, or no answer within
    `patience`, means that the tool is broken: the trajectory then gets a typed failure and no grade.
    """

    seconds: Annotated[float, Field(gt=0, le=600)] = 10.0
    usage: ClassVar[str] = ""
    example: ClassVar[tuple[str, str]] = ("", "")
    argument: ClassVar[str] = "text"

    @property
    def patience(self) -> float:
        """Wall-clock seconds after which a call counts as not answered."""
        return self.seconds

    async def run(self, argument: str, earlier: Sequence[str]) -> str:
        raise NotImplementedError(f"{type(self).__name__} has no run method")

    def close(self) -> None:
        """Release what the tool holds; it may be used again afterwards."""
