"""Losses over rows of tokens; one a file, listed here. Users add their own with `LOSSES.register`."""

from __future__ import annotations

from typing import Annotated

from ponder.catalogue import Entry, of_settings
from ponder.losses.cispo import CISPO
from ponder.losses.clipped import Clipped
from ponder.losses.cloning import Cloning
from ponder.losses.covariance import ClipCov, KLCov
from ponder.losses.dpo import DPO
from ponder.losses.gspo import GSPO
from ponder.losses.loss import Loss
from ponder.losses.reinforce import Reinforce
from ponder.plugins import Registry

LOSSES: Registry[Loss] = Registry("loss", Loss, default="clipped")
for _settings in (Clipped, GSPO, CISPO, Reinforce, ClipCov, KLCov, Cloning, DPO):
    LOSSES.register(_settings)
AnyLoss = Annotated[Loss, LOSSES]


def catalogue() -> list[Entry]:
    """What there is, with settings, needs and source, for `ponder list losses`."""
    return of_settings(LOSSES.settings_classes)
