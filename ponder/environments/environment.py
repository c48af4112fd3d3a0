"""What an environment is as a setting: chosen by `kind`, with fields of its own and the method that opens episodes."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Self

from ponder.plugins import Plugin
from ponder.protocols import Check, Episode
from ponder.types import Problem


class EnvironmentSettings(Plugin):
    """The base of all environments (`protocols.Environment`): one turn, unless a subclass says otherwise."""

    @property
    def most_turns(self) -> int:
        """The most turns of the policy in an episode."""
        return 1

    @property
    def most_turn_tokens(self) -> int:
        """The most tokens of one turn; 0: as many as the episode has left."""
        return 0

    def measured(self) -> Self:
        """The same environment for measuring: one that can tell the outcome of every turn does so (`Verdict.turns`)."""
        return self

    def episode(self, problem: Problem, check: Check, *, seed: int) -> AbstractAsyncContextManager[Episode]:
        """Open an episode; see `protocols.Environment`."""
        raise NotImplementedError(f"{type(self).__name__} has no episode method")
