"""What a tracker is: settings that open it for a run, and a thing that takes numbers by name until it is closed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, Protocol

from ponder.names import install
from ponder.plugins import Plugin
from ponder.types import PonderError


@dataclass(frozen=True)
class RunInfo:
    """The run that is tracked: its folder, a name that stays the same when it is continued, and its settings."""

    folder: Path
    name: str
    config: Mapping[str, Any]


class Tracker(Protocol):
    """Takes the numbers of a run. What it raises ends the tracking and not the run."""

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """The numbers of one round by their names (`tracking.metrics`); `step` counts rounds, 0 is before training."""
        ...

    def close(self) -> None:
        """No more will come; everything is written when this returns."""
        ...


class TrackerSettings(Plugin):
    """Base of all trackers, chosen by `kind`. `package` is what must be there and `extra` what installs it."""

    package: ClassVar[str] = ""
    extra: ClassVar[str] = ""

    def check(self) -> None:
        """PonderError with the extra that installs the package, if it is not there; nothing is imported."""
        if self.package and find_spec(self.package) is None:
            raise PonderError(
                f"tracking by {self.kind} needs the package {self.package}, which is not installed; "
                f"{install(self.extra)}, or take {self.kind} out of `tracking`"
            )

    def require(self) -> Any:
        """The package, imported now."""
        self.check()
        return import_module(self.package)

    def open(self, run: RunInfo) -> Tracker:
        """Begin, or go on where an earlier process of the same run stopped."""
        raise NotImplementedError(f"{type(self).__name__} has no open method")
