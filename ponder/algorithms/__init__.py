"""Credit rules: rewards of all groups of an update to the advantage of every token; one method a file, listed here.

Rules that tell the steps of an answer apart stand in `steps/`. Users add their own with `ALGORITHMS.register`.
"""

from __future__ import annotations

from typing import Annotated

from ponder.algorithms.algorithm import Algorithm
from ponder.algorithms.distillation import Distillation
from ponder.algorithms.dr_grpo import DrGRPO
from ponder.algorithms.gae import GAE
from ponder.algorithms.grpo import GRPO
from ponder.algorithms.per_turn import PerTurn
from ponder.algorithms.preference import Preference, StepPreference
from ponder.algorithms.reinforce_pp import ReinforcePP
from ponder.algorithms.rejection import Rejection
from ponder.algorithms.rloo import RLOO
from ponder.algorithms.role_baseline import RoleBaseline
from ponder.algorithms.steps.pav import PAV
from ponder.algorithms.steps.prime import Prime
from ponder.algorithms.steps.tree import Tree
from ponder.algorithms.steps.verifier_progress import VerifierProgress
from ponder.algorithms.steps.vineppo import VinePPO
from ponder.catalogue import Entry, of_settings
from ponder.plugins import Registry

ALGORITHMS: Registry[Algorithm] = Registry("algorithm", Algorithm, default="dr_grpo")
_WHOLE = (DrGRPO, GRPO, RLOO, ReinforcePP, RoleBaseline, PerTurn, Rejection, Preference, Distillation)
_STEPS = (GAE, VinePPO, PAV, VerifierProgress, Prime, Tree, StepPreference)
for _settings in (*_WHOLE, *_STEPS):
    ALGORITHMS.register(_settings)
AnyAlgorithm = Annotated[Algorithm, ALGORITHMS]


def catalogue() -> list[Entry]:
    """What there is, with settings, needs and source, for `ponder list algorithms`."""
    return of_settings(ALGORITHMS.settings_classes)
