"""TensorBoard: event files in the run folder, `tensorboard --logdir RUN/tensorboard`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from ponder.tracking.tracker import RunInfo, Tracker, TrackerSettings


class TensorBoard(TrackerSettings):
    """Event files in RUN/tensorboard; a continued run overwrites the steps that it plays again."""

    kind: Literal["tensorboard"] = "tensorboard"
    package: ClassVar[str] = "tensorboard"
    extra: ClassVar[str] = "tensorboard"
    source: ClassVar[str] = "https://www.tensorflow.org/tensorboard"

    def open(self, run: RunInfo) -> Tracker:
        self.check()
        from torch.utils.tensorboard import SummaryWriter

        return _Writer(SummaryWriter, run)


class _Writer:
    """The writer is made at the first step: only then is it known which later steps of an earlier process go."""

    def __init__(self, make: Any, run: RunInfo) -> None:
        self._make, self._run = make, run
        self._writer: Any = None

    def log(self, step: int, values: Mapping[str, float]) -> None:
        if self._writer is None:
            folder = self._run.folder / "tensorboard"
            begun = folder.is_dir()
            self._writer = self._make(str(folder), purge_step=step if begun else None)
            if not begun:
                self._writer.add_text("settings", f"```\n{json.dumps(self._run.config, indent=1, default=str)}\n```")
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
