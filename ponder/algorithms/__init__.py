"""Credit rules: rewards of all groups of an update to the advantage of every token; one method a file, listed here.

Users add their own with `ALGORITHMS.register`.
"""

from __future__ import annotations

from typing import Annotated

from ponder.algorithms.algorithm import Algorithm
from ponder.algorithms.dr_grpo import DrGRPO
from ponder.algorithms.gae import GAE
from ponder.algorithms.grpo import GRPO
from ponder.algorithms.per_turn import PerTurn
from ponder.algorithms.reinforce_pp import ReinforcePP
from ponder.algorithms.rejection import Rejection
from ponder.algorithms.rloo import RLOO
from ponder.algorithms.role_baseline import RoleBaseline
from ponder.catalogue import Entry, of_settings
from ponder.plugins import Registry

ALGORITHMS: Registry[Algorithm] = Registry("algorithm", Algorithm, default="dr_grpo")
for _settings in (DrGRPO, GRPO, RLOO, ReinforcePP, GAE, Rejection, RoleBaseline, PerTurn):
    ALGORITHMS.register(_settings)
AnyAlgorithm = Annotated[Algorithm, ALGORITHMS]


def catalogue() -> list[Entry]:
    """What there is, with settings, needs and source, for `ponder list algorithms`."""
    return of_settings(ALGORITHMS.settings_classes)
