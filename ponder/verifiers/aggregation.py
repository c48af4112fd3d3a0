"""Step scores to one score of the trajectory.

What is right depends on what the labels meant (2501.07301, section 3). Values of prefixes (rollout labels): `last`,
since the last prefix is the whole. Correctness of steps: `min`, or `product`, the chance that every step is right if
they were independent; it falls with every further step, a bias against length. `mean` has no such bias and forgives a
wrong step. `rank` lies between min and mean: the scores, worst first, weighted 1, 1/2, 1/3, ... and normalised, so
the rank of a step counts and not its place. With a single step all five agree.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, get_args

from ponder.types import PonderError

Aggregation = Literal["last", "min", "product", "mean", "rank"]
AGGREGATIONS: tuple[Aggregation, ...] = get_args(Aggregation)
_LEAST = 1e-12  # a score of exactly 0 has no logarithm


def aggregate(step_scores_S: Sequence[float], how: Aggregation) -> float:
    """One score in [0, 1] from at least one step score in [0, 1]."""
    if not step_scores_S:
        raise ValueError("a trajectory without steps has no score")
    if how == "last":
        return step_scores_S[-1]
    if how == "min":
        return min(step_scores_S)
    if how == "mean":
        return math.fsum(step_scores_S) / len(step_scores_S)
    if how == "product":
        return math.exp(math.fsum(math.log(max(score, _LEAST)) for score in step_scores_S))
    if how == "rank":
        weights = [1 / rank for rank in range(1, len(step_scores_S) + 1)]
        pairs = zip(weights, sorted(step_scores_S), strict=True)
        return math.fsum(weight * score for weight, score in pairs) / math.fsum(weights)
    raise PonderError(f"unknown aggregation {how!r}; allowed are {', '.join(AGGREGATIONS)}")
