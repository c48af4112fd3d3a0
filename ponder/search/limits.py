"""Tokens of one trajectory, and the refusal of settings that cannot work."""

from __future__ import annotations

from dataclasses import dataclass

from ponder.types import PonderError

LEAST_THINKING = 8  # tokens of thinking below which an answer is not worth asking for
# Settings that count something of which there must be at least one.
_COUNTS = ("n_max", "width", "expand", "step_tokens", "stride", "length", "depth", "branch")


def reserve_within(max_tokens: int) -> int:
    """Tokens to hold back for the answer of trajectories this short: the usual 32, and at most a third of them."""
    return min(Limits.answer_reserve, max(1, max_tokens // 3))


@dataclass(frozen=True)
class Limits:
    """Tokens of one trajectory: at most `max_tokens`, of which `answer_reserve` are held back for its answer.

    A trajectory that is still thinking when only the reserve is left has its thinking closed by force.
    """

    max_tokens: int = 512
    answer_reserve: int = 32

    def __post_init__(self) -> None:
        if self.answer_reserve < 1:
            raise PonderError(f"answer_reserve={self.answer_reserve}: an answer needs at least 1 token")
        if self.max_tokens < self.least:
            raise PonderError(
                f"max_tokens={self.max_tokens}: a trajectory needs at least {self.least} tokens "
                f"({LEAST_THINKING} to think, {self.answer_reserve} to answer); raise it or lower answer_reserve"
            )
        for name in _COUNTS:
            if getattr(self, name, 1) < 1:
                raise PonderError(f"{name}={getattr(self, name)}: at least 1 is needed")

    @property
    def least(self) -> int:
        """The smallest budget that yields an answer."""
        return self.answer_reserve + LEAST_THINKING

    @property
    def thinking(self) -> int:
        """Tokens that a trajectory may have before its answer is forced."""
        return self.max_tokens - self.answer_reserve

    def allow(self, name: str, low: float, high: float) -> None:
        """Refuse the setting `name` outside `low` to `high`."""
        value = getattr(self, name)
        if not low <= value <= high:
            raise PonderError(f"{name}={value}: give a number from {low:g} to {high:g}")

    def among(self, name: str, *names: str) -> None:
        """Refuse the setting `name` if it is none of `names`."""
        value = getattr(self, name)
        if value not in names:
            raise PonderError(f"{name}={value!r}: choose among {', '.join(map(repr, names))}")
