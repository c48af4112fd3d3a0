"""The learning rate of a step: a pure function of how many steps were made, so a resumed run continues it exactly.

    rate(s) = peak * min(1, (s + 1) / warmup) * decay(u),   u = (s - warmup) / (total - warmup) in [0, 1]
    constant  decay = 1
    linear    decay = 1 - (1 - floor) u
    cosine    decay = floor + (1 - floor) (1 + cos(pi u)) / 2        (SGDR, arXiv 1608.03983, equation 5, one cycle)

After `total` steps the rate stays at floor * peak.
"""

from __future__ import annotations

import math
from typing import Literal, get_args

Schedule = Literal["constant", "linear", "cosine"]
SCHEDULES: tuple[Schedule, ...] = get_args(Schedule)


def rate(step: int, *, peak: float, warmup: int, schedule: Schedule, total: int, floor: float) -> float:
    """The rate of step number `step`, counted from 0."""
    warm = min(1.0, (step + 1) / warmup) if warmup else 1.0
    if schedule == "constant":
        return peak * warm
    done = min(1.0, max(0.0, (step - warmup) / (total - warmup)))
    left = 1 - done if schedule == "linear" else (1 + math.cos(math.pi * done)) / 2
    return peak * warm * (floor + (1 - floor) * left)
