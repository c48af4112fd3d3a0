"""Mixed groups: those that hold both right and wrong answers, and so a gradient of the outcome."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ponder.types import Credit, Group, StopReason

_LEAST_SHARE = 0.25  # so that one more draw is never much larger than what is missing


def is_mixed(group: Group) -> bool:
    """Whether the group was neither always nor never right; a group without verdicts is not mixed."""
    return group.solve_rate not in (0.0, 1.0, None)


def mixed(groups: Sequence[Group]) -> list[Group]:
    return [group for group in groups if is_mixed(group)]


def further(groups: Sequence[Group], wanted: int) -> int:
    """How many problems to ask next so that about `wanted` groups are mixed in the end; 0: there are enough."""
    have = len(mixed(groups))
    if have >= wanted:
        return 0
    share = max(_LEAST_SHARE, have / len(groups)) if groups else 1.0
    return min(wanted, math.ceil((wanted - have) / share))


def without_cut(credits_PG: Sequence[Sequence[Credit]]) -> list[list[Credit]]:
    """Credits without those of answers that met their limit, and without the partners of these in pairs."""
    cut = (StopReason.LENGTH, StopReason.CONTEXT)
    alone = {c.pair for credits_G in credits_PG for c in credits_G if c.trajectory.stop in cut and c.pair}
    return [[c for c in credits_G if c.trajectory.stop not in cut and c.pair not in alone] for credits_G in credits_PG]
