"""The one budget, in token-equivalents, that everything a strategy does is charged to.

Strategies plan by worst cases (`affordable`), so a charge beyond the limit is a bug and raises `Overspent`. Then
`kept + discarded + verifier == spent <= limit` holds exactly and not only up to rounding.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from ponder.types import PonderError, Usage

# Costs of judges are fractions, and their sums may pass the limit in the last bits. More than this is a real excess.
ROUNDING = 1e-6


class Overspent(RuntimeError):
    """A strategy charged more than it had: its plan forgot a cost."""


class Budget:
    """What one search may spend. `limit` is in token-equivalents, positive and finite."""

    def __init__(self, limit: float) -> None:
        if not (math.isfinite(limit) and limit > 0):
            raise PonderError(f"budget {limit}: a budget is a positive number of token-equivalents; give a larger one")
        self.limit = float(limit)
        self._generated = 0.0
        self._verifier = 0.0
        self._calls = 0

    @property
    def spent(self) -> float:
        return self._generated + self._verifier

    @property
    def remaining(self) -> float:
        return self.limit - self.spent

    def charge_generated(self, tokens: float, *, calls: int = 1) -> None:
        """Pay for tokens of the policy; `calls` 0 for a part of a call that is not over."""
        self._charge(tokens, 0.0, calls)

    def charge_verifier(self, tokens: float) -> None:
        self._charge(0.0, tokens, 1)

    def _charge(self, generated: float, verifier: float, calls: int) -> None:
        if not (generated >= 0 and verifier >= 0):
            raise Overspent(f"a charge cannot be negative or undefined: {generated} generated, {verifier} verifier")
        generated, verifier = self._generated + generated, self._verifier + verifier
        excess = generated + verifier - self.limit
        if excess > ROUNDING:
            raise Overspent(f"{generated:g} generated and {verifier:g} verifier tokens pass the limit {self.limit:g}")
        if excess > 0:
            # Generated tokens are whole, so the rounding came from judges; limit - generated is exact.
            verifier = max(0.0, self.limit - generated)
        self._generated, self._verifier, self._calls = generated, verifier, self._calls + calls

    def usage(self, kept: float) -> Usage:
        """The account so far when the returned trajectory has `kept` generated tokens."""
        if not 0 <= kept <= self._generated:
            raise ValueError(f"{kept} tokens kept of {self._generated} generated")
        return Usage(kept, self._generated - kept, self._verifier, self._calls)


def affordable(remaining: float, cost: float) -> int:
    """How many things of at most `cost` fit into `remaining`; 0 if none does."""
    return max(0, int(remaining // cost))


def largest(low: int, high: int, fits: Callable[[int], bool]) -> int:
    """The largest number above `low` and up to `high` that fits, or `low` if none does.

    By bisection: whatever is smaller than a number that fits must fit too, as costs do not fall with length.
    """
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low
