"""What the verifier learns from in a round, by `coupling.labels`.

rollouts  step labels of some trajectories by rollouts, and the outcomes of all others   (Math-Shepherd)
outcomes  the outcomes of all                                                            (nothing is drawn for it)
tree      the values of every step in the tree that a search made                        (ReST-MCTS*)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from ponder.labels.contrast import outcome_labels
from ponder.labels.labelled import Labelled
from ponder.labels.rest import rest_values
from ponder.types import Group


def lessons(
    groups: Sequence[Group],
    how: Literal["rollouts", "outcomes", "tree"],
    rolled_out: Callable[[Sequence[Group]], list[Labelled]],
) -> list[Labelled]:
    """Labelled trajectories of the groups of a round. `rolled_out` draws rollout labels and is asked only for them."""
    if how == "tree":
        return [item for group in groups for item in rest_values(group)]
    labelled = rolled_out(groups) if how == "rollouts" else []
    known = {id(item.trajectory) for item in labelled}
    return [*labelled, *(item for item in outcome_labels(groups) if id(item.trajectory) not in known)]
