"""Group to credit: one method a file, listed here."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ponder.algorithms.group_mean import GroupMean
from ponder.algorithms.group_normalised import GroupNormalised
from ponder.algorithms.leave_one_out import LeaveOneOut
from ponder.names import pick
from ponder.protocols import AssignCredit
from ponder.rewards.components import Outcome, Reward

_METHODS: Mapping[str, Callable[[Reward], AssignCredit]] = {
    "group_mean": lambda reward: GroupMean(reward=reward),
    "group_normalised": lambda reward: GroupNormalised(reward=reward),
    "leave_one_out": lambda reward: LeaveOneOut(reward=reward),
}


def make(name: str, reward: Reward | None = None) -> AssignCredit:
    """The advantage method called `name` over `reward` (the plain outcome unless given)."""
    return pick("advantage", name, _METHODS)(reward or Outcome())
