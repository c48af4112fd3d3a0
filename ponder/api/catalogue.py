"""Everything that can be plugged in, room by room; `ponder list` prints it."""

from __future__ import annotations

from importlib import import_module

from ponder.catalogue import Entry
from ponder.names import pick

# What can be listed, and the module of the room whose `catalogue()` lists it.
ROOMS = {
    "algorithms": "ponder.algorithms",
    "losses": "ponder.losses",
    "rewards": "ponder.rewards",
    "presets": "ponder.api.training.presets",
    "environments": "ponder.environments",
    "tools": "ponder.tools",
    "strategies": "ponder.search.registry",
    "families": "ponder.problems.registry",
    "suites": "ponder.problems.suites.registry",
    "verifiers": "ponder.api.verifiers.loading",
    "engines": "ponder.api.policies",
    "trackers": "ponder.tracking",
}


def available(what: str) -> list[Entry]:
    """All entries of one room: strategies, families, verifiers, ... with settings, needs and source.

    What was registered by a script or a plugin is in it. Raises PonderError for a room that cannot be listed.
    """
    found: list[Entry] = import_module(pick("list", what, ROOMS)).catalogue()
    return found
