"""trackio: Hugging Face's light tracker, a local database; `trackio show` opens its page."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from ponder.tracking.tracker import RunInfo, Tracker, TrackerSettings


class Trackio(TrackerSettings):
    """trackio's local database, in RUN/trackio unless TRACKIO_DIR names another folder."""

    kind: Literal["trackio"] = "trackio"
    project: str = "ponder"
    package: ClassVar[str] = "trackio"
    extra: ClassVar[str] = "trackio"
    source: ClassVar[str] = "https://huggingface.co/docs/trackio"

    def open(self, run: RunInfo) -> Tracker:
        os.environ.setdefault("TRACKIO_DIR", str((run.folder / "trackio").resolve()))  # read when it is imported
        trackio = self.require()
        return _Run(trackio.init(project=self.project, name=run.name, config=dict(run.config), resume="allow"))


class _Run:
    def __init__(self, run: Any) -> None:
        self._run = run

    def log(self, step: int, values: Mapping[str, float]) -> None:
        self._run.log(dict(values), step=step)

    def close(self) -> None:
        self._run.finish()
