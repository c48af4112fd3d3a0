"""What a policy acts in, one environment a file, listed here. An environment is its own settings class with a `kind`.

Users add their own with `ENVIRONMENTS.register`. A configuration field of type `AnyEnvironment` is chosen by
`environment.kind=retry` and refuses the fields of other kinds.
"""

from __future__ import annotations

from typing import Annotated

from ponder.catalogue import Entry, of_settings
from ponder.environments.environment import EnvironmentSettings
from ponder.environments.match.environment import Match as Match
from ponder.environments.openenv import OpenEnv as OpenEnv
from ponder.environments.repair import Repair as Repair
from ponder.environments.retry import Retry as Retry
from ponder.environments.second_look import SecondLook as SecondLook
from ponder.environments.single_turn import SingleTurn as SingleTurn
from ponder.environments.verifiers import VerifiersEnvironment as VerifiersEnvironment
from ponder.plugins import Registry

ENVIRONMENTS: Registry[EnvironmentSettings] = Registry("environment", EnvironmentSettings, default="single_turn")
for _settings in (SingleTurn, Retry, SecondLook, Repair, OpenEnv, VerifiersEnvironment, Match):
    ENVIRONMENTS.register(_settings)
AnyEnvironment = Annotated[EnvironmentSettings, ENVIRONMENTS]


def catalogue() -> list[Entry]:
    """What there is, with settings, needs and source, for `ponder list environments`."""
    return of_settings(ENVIRONMENTS.settings_classes)
