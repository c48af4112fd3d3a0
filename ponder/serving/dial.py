"""The dial: how hard to think, by name or by number, as a budget in token-equivalents.

A name is a multiple of the longest chain of thought, as in `ponder solve --effort`: `low` is one such chain, `medium`
four, `high` sixteen. `none` closes the thinking at once and lets the model answer. `max` is all that the caller may
spend in one request. A name never asks for more than that; a number above it is refused, so nothing is changed unsaid.
"""

from __future__ import annotations

from dataclasses import dataclass

from ponder.search.planner.efforts import EFFORTS
from ponder.serving.errors import refused

NONE, MAX = "none", "max"
SHARES: dict[str, float] = {"minimal": 0.5, **EFFORTS, "xhigh": 64}
NAMES = (NONE, *SHARES, MAX)
ANSWER = 64  # tokens of an answer without thinking, unless the request sets its own limit


@dataclass(frozen=True)
class Budget:
    """What one request may spend: `tokens`, asked for as `effort` (None: as a number), and what cut it, if anything."""

    tokens: int
    effort: str | None
    limited_by: str | None = None

    @property
    def thinks(self) -> bool:
        """Whether there is any thinking in it."""
        return self.effort != NONE


@dataclass(frozen=True)
class Dial:
    """Names to numbers for one server. `longest` is the longest chain of thought, `most` the largest budget."""

    longest: int
    most: int
    default: str = "medium"

    def of_name(self, effort: str, most: int | None = None) -> Budget:
        """The budget of a name; `most` is the caller's own limit, where it is below the server's."""
        cap = self.most if most is None else min(most, self.most)
        if effort == NONE:
            return Budget(min(ANSWER, cap), NONE)
        wanted = cap if effort == MAX else int(SHARES[effort] * self.longest)
        return Budget(min(wanted, cap), effort, "the most that this key may spend in one request" * (wanted > cap))

    def of_number(self, tokens: int, param: str, most: int | None = None) -> Budget:
        """The budget of a number; -1 is as much as allowed, 0 no thinking."""
        cap = self.most if most is None else min(most, self.most)
        if tokens == -1:
            return self.of_name(MAX, most)
        if tokens == 0:
            return self.of_name(NONE, most)
        if tokens < -1 or tokens > cap:
            raise refused(
                param, f"{param}={tokens}: give 0 (no thinking), 1 to {cap} token-equivalents, or -1 for as many"
            )
        return Budget(tokens, None)

    def table(self, most: int | None = None) -> dict[str, int]:
        """Every name with its budget, for `GET /v1/models`."""
        return {name: self.of_name(name, most).tokens for name in NAMES}
