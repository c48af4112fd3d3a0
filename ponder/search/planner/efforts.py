"""How hard to think, by name: an effort is a budget in token-equivalents.

`low`, `medium` and `high` are 1, 4 and 16 times the longest answer that is allowed, so that they mean the same for
models and tasks of different lengths: one answer, a few, many. A number is the budget itself.
"""

from __future__ import annotations

import math

from ponder.types import PonderError

EFFORTS = {"low": 1, "medium": 4, "high": 16}


def budget_of(effort: str | float, *, max_tokens: int) -> float:
    """The budget of `effort` in token-equivalents when one answer has at most `max_tokens` tokens.

    `effort` is a name or a positive number, which may also be written as text ("2048"). Raises PonderError otherwise.
    """
    if isinstance(effort, str) and effort.strip().lower() in EFFORTS:
        return float(EFFORTS[effort.strip().lower()] * max_tokens)
    try:
        budget = float(effort)
    except ValueError:
        budget = math.nan
    if isinstance(effort, bool) or not (math.isfinite(budget) and budget > 0):
        names = ", ".join(EFFORTS)
        raise PonderError(f"effort {effort!r}: give {names}, or a positive number of token-equivalents")
    return budget
