"""Trackers: written and read back with the real packages where they are installed, and never the end of a run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest

from ponder.tracking import TRACKERS
from ponder.tracking.hub import tracking
from ponder.tracking.mlflow import MLflow
from ponder.tracking.tensorboard import TensorBoard
from ponder.tracking.tracker import RunInfo, TrackerSettings
from ponder.tracking.trackio import Trackio
from ponder.tracking.wandb import WandB
from ponder.types import PonderError

ROWS: list[dict[str, Any]] = [{"validation": {"mean": 0.25 * (n + 1)}, "entropy": 0.5 - 0.1 * n} for n in range(3)]


def tracked(settings: TrackerSettings, folder: Path, rows: list[dict[str, Any]], first: int = 0) -> list[str]:
    """Log the rows; what went wrong."""
    failed: list[str] = []
    run = RunInfo(folder, "demo", {"seed": 0, "trainer": {"learning_rate": 3e-4}})
    with tracking([settings], run, lambda kind, why: failed.append(f"{kind}: {why}")) as hub:
        for step, row in enumerate(rows, start=first):
            hub.log(step, row)
    return failed


def test_tensorboard_holds_every_number_and_a_continued_run_replaces_what_it_plays_again(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    assert tracked(TensorBoard(), tmp_path, ROWS) == []
    again = [{"validation": {"mean": 0.9}, "entropy": 0.1}]
    assert tracked(TensorBoard(), tmp_path, again, first=2) == []
    read = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [(e.step, round(e.value, 6)) for e in read.Scalars("validation/mean")] == [(0, 0.25), (1, 0.5), (2, 0.9)]
    assert [round(e.value, 6) for e in read.Scalars("entropy")] == [0.5, 0.4, 0.1]


def test_mlflow_keeps_one_run_that_is_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.chdir(tmp_path)
    assert tracked(MLflow(), tmp_path, ROWS[:2]) == []
    assert tracked(MLflow(), tmp_path, ROWS[2:], first=2) == []
    client = mlflow.MlflowClient(tracking_uri=_store(tmp_path))
    (experiment,) = [e for e in client.search_experiments() if e.name == "ponder"]
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.run_name == "demo" and run.data.params["trainer.learning_rate"] == "0.0003"
    history = client.get_metric_history(run.info.run_id, "validation/mean")
    assert [(m.step, m.value) for m in history] == [(0, 0.25), (1, 0.5), (2, 0.75)]


def _store(folder: Path) -> str:
    from ponder.tracking.mlflow import store

    return store(folder)


def test_wandb_writes_offline(tmp_path: Path) -> None:
    pytest.importorskip("wandb")
    assert tracked(WandB(), tmp_path, ROWS) == []
    (folder,) = (tmp_path / "wandb").glob("offline-run-*")
    assert any(file.stat().st_size > 0 for file in folder.glob("*.wandb"))


def test_trackio_writes_its_local_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if find_spec("trackio") is None:  # not imported here: it reads the folder once
        pytest.skip("trackio is not installed")
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    assert tracked(Trackio(), tmp_path, ROWS) == []
    assert any((tmp_path / "trackio").rglob("*.db"))


class Broken(TrackerSettings):
    """Fails at the second step."""

    kind: Literal["broken"] = "broken"
    seen: ClassVar[list[int]] = []

    def open(self, run: RunInfo) -> Broken:
        return self

    def log(self, step: int, values: Mapping[str, float]) -> None:
        self.seen.append(step)
        if step == 1:
            raise OSError("disk full")

    def close(self) -> None:
        self.seen.append(-1)


def test_a_tracker_that_fails_is_left_out_and_the_others_go_on(tmp_path: Path) -> None:
    Broken.seen.clear()
    failed: list[str] = []
    good: list[tuple[int, float]] = []

    class Good(Broken):
        kind: Literal["good"] = "good"  # type: ignore[assignment]

        def log(self, step: int, values: Mapping[str, float]) -> None:
            good.append((step, values["entropy"]))

        def close(self) -> None:
            good.append((-1, 0.0))

    run = RunInfo(tmp_path, "demo", {})
    with tracking([Broken(), Good()], run, lambda kind, why: failed.append(f"{kind}: {why}")) as hub:
        for step, row in enumerate(ROWS):
            hub.log(step, row)
    assert Broken.seen == [0, 1] and failed == ["broken: OSError: disk full"]
    assert good == [(0, 0.5), (1, 0.4), (2, 0.3), (-1, 0.0)]


def test_a_missing_package_names_the_extra() -> None:
    class Absent(TrackerSettings):
        """Is not installed."""

        kind: Literal["absent"] = "absent"
        package: ClassVar[str] = "no_such_tracker"
        extra: ClassVar[str] = "absent"

    with pytest.raises(PonderError, match=r"tracking by absent needs the package no_such_tracker, .*\.\[absent\]"):
        Absent().check()


def test_the_shelf_is_chosen_by_kind_like_everything_else() -> None:
    assert list(TRACKERS) == ["tensorboard", "wandb", "mlflow", "trackio"]
    assert TRACKERS.parse("wandb") == WandB()
    assert json.loads(WandB().model_dump_json())["mode"] == "offline"
