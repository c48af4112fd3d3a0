"""What a proposal earns: most where the solver succeeds every other time, less what it repeats.

    pay = max(0, 4 p (1 - p) - weight * repetition)

p is the solver's rate on it. 4p(1-p) is the variance of one verdict, scaled to 1 at p = 1/2 and 0 where the answer is
always right or always wrong (the shape of R-Zero, arXiv 2508.05004, and of SPICE, 2510.24684, without their kinks;
Absolute Zero's 1 - p, 2505.03335, would pay most for what is nearly never solved). `repetition` is the share of the
other problems of the batch with the same shape. A refused proposal earns nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence


def pay(rate: float, repetition: float = 0.0, weight: float = 0.0) -> float:
    """In [0, 1] for a rate in [0, 1]."""
    return max(0.0, 4.0 * rate * (1.0 - rate) - weight * repetition)


def repetitions(shapes: Sequence[str]) -> list[float]:
    """For each the share of the others with its shape; 0 for a single one."""
    counts = Counter(shapes)
    return [(counts[shape] - 1) / (len(shapes) - 1) if len(shapes) > 1 else 0.0 for shape in shapes]
