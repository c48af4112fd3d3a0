"""Where a run's numbers go besides its folder: trackers, one a file, listed here, and what each metric means.

`metrics.jsonl` in the run folder is the record; a tracker is a mirror of it, and one that fails is dropped with an
event in the log while the run goes on. Users add their own with `TRACKERS.register`.
"""

from __future__ import annotations

from typing import Annotated

from ponder.catalogue import Entry, of_settings
from ponder.plugins import Registry
from ponder.tracking.mlflow import MLflow
from ponder.tracking.tensorboard import TensorBoard
from ponder.tracking.tracker import TrackerSettings
from ponder.tracking.trackio import Trackio
from ponder.tracking.wandb import WandB

TRACKERS: Registry[TrackerSettings] = Registry("tracker", TrackerSettings, default="tensorboard")
for _settings in (TensorBoard, WandB, MLflow, Trackio):
    TRACKERS.register(_settings)
AnyTracker = Annotated[TrackerSettings, TRACKERS]


def catalogue() -> list[Entry]:
    """What there is, with settings, needs and source, for `ponder list trackers`."""
    return of_settings(TRACKERS.settings_classes)
