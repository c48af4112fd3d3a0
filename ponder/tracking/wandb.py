"""Weights & Biases: offline unless asked otherwise; `wandb sync RUN/wandb/offline-*` sends it later."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from ponder.seeds import derive_seed
from ponder.tracking.tracker import RunInfo, Tracker, TrackerSettings


class WandB(TrackerSettings):
    """Weights & Biases in RUN/wandb; `mode` online needs an account, offline nothing."""

    kind: Literal["wandb"] = "wandb"
    project: str = "ponder"
    mode: Literal["offline", "online"] = "offline"
    package: ClassVar[str] = "wandb"
    extra: ClassVar[str] = "wandb"
    source: ClassVar[str] = "https://docs.wandb.ai"

    def open(self, run: RunInfo) -> Tracker:
        wandb = self.require()
        name = f"{derive_seed('wandb', str(run.folder.resolve()), run.name):x}"
        return _Run(
            wandb.init(
                project=self.project,
                name=run.name,
                id=name,
                resume="allow",
                dir=str(run.folder),
                config=dict(run.config),
                mode=self.mode,
                settings=wandb.Settings(silent=True, console="off", disable_git=True, x_disable_stats=True),
            )
        )


class _Run:
    def __init__(self, run: Any) -> None:
        self._run = run

    def log(self, step: int, values: Mapping[str, float]) -> None:
        # The round is a value of its own: a continued run logs some again, and W&B's own step must never fall.
        self._run.log({**values, "round": step})

    def close(self) -> None:
        self._run.finish()
