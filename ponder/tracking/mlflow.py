"""MLflow: a file store in the run folder unless a server or a database is named."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

from ponder.tracking.tracker import RunInfo, Tracker, TrackerSettings

_LONGEST = 500  # characters of a parameter that every version of MLflow takes


class MLflow(TrackerSettings):
    """MLflow's files in RUN/mlflow (`mlflow ui --backend-store-uri RUN/mlflow`), or at `uri`."""

    kind: Literal["mlflow"] = "mlflow"
    uri: str = ""
    experiment: str = "ponder"
    package: ClassVar[str] = "mlflow"
    extra: ClassVar[str] = "mlflow"
    source: ClassVar[str] = "https://mlflow.org/docs/latest"

    def open(self, run: RunInfo) -> Tracker:
        if not self.uri:  # newer versions call files out of fashion and ask for a yes
            os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
        mlflow = self.require()
        client = mlflow.MlflowClient(tracking_uri=self.uri or store(run.folder))
        return _Run(client, self._begun(client, run))

    def _begun(self, client: Any, run: RunInfo) -> str:
        """The id of the run, which a file in the run folder keeps for the process that continues it."""
        known = run.folder / "mlflow_run_id.txt"
        if known.is_file():
            return known.read_text(encoding="utf-8").strip()
        found = client.get_experiment_by_name(self.experiment)
        experiment = found.experiment_id if found else client.create_experiment(self.experiment)
        begun: str = client.create_run(experiment, run_name=run.name).info.run_id
        for name, value in _flat(run.config):
            client.log_param(begun, name, value[:_LONGEST])
        Path(known).write_text(begun, encoding="utf-8")
        return begun


def store(folder: Path) -> str:
    """The address of the file store in a run folder."""
    return (folder / "mlflow").resolve().as_uri()


class _Run:
    def __init__(self, client: Any, run_id: str) -> None:
        self._client, self._id = client, run_id

    def log(self, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._client.log_metric(self._id, name, value, step=step)

    def close(self) -> None:
        self._client.set_terminated(self._id)


def _flat(config: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for name, value in config.items():
        path = f"{prefix}{name}"
        found += _flat(value, f"{path}.") if isinstance(value, Mapping) else [(path, str(value))]
    return found
