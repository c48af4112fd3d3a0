"""What every group advantage shares: centring the rewards and writing one number on all tokens of a trajectory."""

from __future__ import annotations

from collections.abc import Sequence
from math import fsum

from ponder.rewards.components import Rewarded
from ponder.types import Credit


def centred(rewards_G: Sequence[float]) -> list[float]:
    """Rewards less their mean. Equal rewards (and a single one) give exact zeros, so that a dead group is seen."""
    if len(set(rewards_G)) <= 1:
        return [0.0] * len(rewards_G)
    mean = fsum(rewards_G) / len(rewards_G)
    return [reward - mean for reward in rewards_G]


def spread(rewarded: Rewarded, advantages_G: Sequence[float]) -> list[Credit]:
    """The advantage of a trajectory is the advantage of each of its tokens."""
    return [
        Credit(trajectory, (advantage,) * len(trajectory))
        for (trajectory, _), advantage in zip(rewarded, advantages_G, strict=True)
    ]
