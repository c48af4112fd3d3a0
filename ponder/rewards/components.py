"""Outcome to reward: the plain outcome, or the outcome with a price on length.

A reward is a function of a whole `Group`, since a length price may compare its members. Trajectories that could not
be judged (`verdict.failure`) have no reward and are left out. Lengths are generated tokens, forced ones included.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ponder.names import pick
from ponder.types import Group, PonderError, Trajectory

Rewarded = tuple[tuple[Trajectory, float], ...]
Reward = Callable[[Group], Rewarded]


@dataclass(frozen=True)
class Outcome:
    """r = outcome: 1.0 right, 0.0 wrong."""

    def __call__(self, group: Group) -> Rewarded:
        return group.judged


@dataclass(frozen=True)
class RelativeLength:
    """Kimi k1.5 (arXiv 2501.12599, section 2.3.3): short answers of a group are worth more than long ones.

    lambda_i = 1/2 - (len_i - min) / (max - min); a right answer earns r + weight * lambda_i, a wrong one
    r + weight * min(0, lambda_i). Equal lengths: lambda = 0. Wrong answers never gain.
    """

    weight: float = 0.1

    def __call__(self, group: Group) -> Rewarded:
        lengths = [len(trajectory) for trajectory, _ in group.judged]
        if not lengths or min(lengths) == max(lengths):
            return group.judged
        shortest, spread = min(lengths), max(lengths) - min(lengths)
        shares = [0.5 - (length - shortest) / spread for length in lengths]
        return tuple(
            (trajectory, outcome + self.weight * (share if outcome > 0.5 else min(0.0, share)))
            for (trajectory, outcome), share in zip(group.judged, shares, strict=True)
        )


@dataclass(frozen=True)
class SoftOverlong:
    """DAPO (arXiv 2503.14476, equation 13): no price up to limit - margin, then linear to -1 at `limit`, -1 beyond.

    r = outcome + min(0, max(-1, (limit - margin - len) / margin)).
    """

    limit: int = 512
    margin: int = 128

    def __post_init__(self) -> None:
        if not 0 < self.margin <= self.limit:
            raise PonderError(f"overlong reward: margin={self.margin}; allowed are 1 to limit={self.limit}")

    def __call__(self, group: Group) -> Rewarded:
        return tuple((trajectory, outcome + self.price(len(trajectory))) for trajectory, outcome in group.judged)

    def price(self, length: int) -> float:
        return min(0.0, max(-1.0, (self.limit - self.margin - length) / self.margin))


_METHODS: Mapping[str, Callable[..., Reward]] = {
    "outcome": Outcome,
    "relative_length": RelativeLength,
    "soft_overlong": SoftOverlong,
}


def make(name: str, **options: float) -> Reward:
    """The reward called `name` with its own options."""
    return pick("reward", name, _METHODS)(**options)
