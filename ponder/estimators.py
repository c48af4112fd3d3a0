"""Estimates from a few draws that are right on average."""

from __future__ import annotations

import math
from collections.abc import Sequence


def best_of_k(outcomes: Sequence[float], k: int) -> float | None:
    """The mean, over all sets of `k` outcomes, of the best of each set; None where there are fewer than `k`.

    Unbiased for the value of the best of `k` draws. For outcomes 0 and 1, c of n being 1, it is
    1 - C(n-c, k) / C(n, k) (2107.03374, equation 1), where the plug-in 1 - (1 - c/n)^k is too low on average.
    """
    n = len(outcomes)
    if n < k:
        return None
    # The i-th smallest (from 0) is the best of the sets that take the other k - 1 from the i below it.
    return math.fsum(math.comb(i, k - 1) * value for i, value in enumerate(sorted(outcomes))) / math.comb(n, k)
