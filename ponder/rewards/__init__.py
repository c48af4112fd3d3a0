"""What a trajectory earns: named components, each with a weight, added up; every component stays visible in the log.

A component is one file and one line here. Users add their own with `REWARDS.register`.
"""

from __future__ import annotations

from typing import Annotated

from ponder.catalogue import Entry, of_settings
from ponder.plugins import Registry
from ponder.rewards.component import Component
from ponder.rewards.cosine import Cosine
from ponder.rewards.format import Format
from ponder.rewards.kl import KL
from ponder.rewards.l1 import L1
from ponder.rewards.length import OverlongPenalty, RelativeLength
from ponder.rewards.majority import Majority
from ponder.rewards.novelty import Novelty
from ponder.rewards.outcome import Outcome
from ponder.rewards.process import Process
from ponder.rewards.random import Random
from ponder.rewards.rubric import Rubric
from ponder.rewards.self_correction import SelfCorrection

REWARDS: Registry[Component] = Registry("reward", Component, default="outcome")
_OUTCOMES = (Outcome, Process, Format, Random, Majority, SelfCorrection, Rubric)
_PRICES = (RelativeLength, OverlongPenalty, Cosine, L1, KL, Novelty)
for _settings in (*_OUTCOMES, *_PRICES):
    REWARDS.register(_settings)
Reward = Annotated[Component, REWARDS]


def catalogue() -> list[Entry]:
    """What there is, with settings, needs and source, for `ponder list rewards`."""
    return of_settings(REWARDS.settings_classes)
