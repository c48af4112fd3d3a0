"""A critic that diverges: the policy waits for it, and a run in which that does not end stops."""

from __future__ import annotations

from collections.abc import Mapping

from ponder.learning.critic import CriticTraining
from ponder.types import PonderError

DISTRUSTED = "critic/distrusted"  # updates in a row that the policy waited, in the memory of a run


def distrusted(memory: dict[str, float], metrics: Mapping[str, float], settings: CriticTraining) -> bool:
    """Whether the critic foresees so badly that the policy had better wait; counted in `memory`.

    Its values explain less of the variance of the returns than `settings.distrust` (1: all, 0: no better than their
    mean). PonderError after more than `settings.patience` such updates in a row.
    """
    explained = metrics.get("explained_variance", 0.0)
    bad = explained < settings.distrust
    memory[DISTRUSTED] = memory.get(DISTRUSTED, 0.0) + 1 if bad else 0.0
    if memory[DISTRUSTED] > settings.patience:
        raise PonderError(
            f"the critic diverges: for {memory[DISTRUSTED]:.0f} updates in a row its values explained {explained:.3g} "
            f"of the variance of the returns (1: all, 0: no better than their mean, allowed from {settings.distrust:g} "
            "on); lower critic.learning_rate"
        )
    return bad
