"""A run that is killed goes on from its last checkpoint and ends with the weights of a run that was not killed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from tests.selfplay.small import SETTINGS, model_folder

# A run takes 6 s of processor time. On a machine whose cores are taken by others that is minutes by the clock, so what
# loops is stopped by the processor time it used (the kernel does that, RLIMIT_CPU), and what hangs by the clock.
PROCESSOR, CLOCK = 120, 1200.0
LIMITED = (
    f"import resource, runpy; resource.setrlimit(resource.RLIMIT_CPU, ({PROCESSOR}, {PROCESSOR})); "
    "runpy.run_module('ponder.cli', run_name='__main__', alter_sys=True)"
)


def command(model: Path, out: Path, *more: str) -> list[str]:
    settings = [part for setting in SETTINGS for part in ("--set", setting)]
    return [sys.executable, "-c", LIMITED, "run", "--model", str(model), "--out", str(out), "--json", *settings, *more]


def ended(model: Path, out: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """The run that was waited for."""
    return subprocess.run(command(model, out, *more), capture_output=True, text=True, timeout=CLOCK)


def killed_when(condition: str, model: Path, out: Path) -> bool:
    """Start the run and kill it as soon as a file holds `condition` ("file:text"); whether that cut it short."""
    name, _, text = condition.partition(":")
    deadline = time.monotonic() + CLOCK
    with subprocess.Popen(command(model, out), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        over = False
        while not ((out / name).exists() and (not text or text in (out / name).read_text(errors="replace"))):
            # Asked for before the file is: a run may write it and end while this process waits for a core.
            assert not over, process.stderr and process.stderr.read().decode()[-2000:]
            assert time.monotonic() < deadline, f"{condition} never came"
            over = process.poll() is not None
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    return process.returncode == -signal.SIGKILL and not (out / "summary.json").exists()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The model folder and the folder of a run that nobody disturbed."""
    model = model_folder(tmp_path_factory.mktemp("model"))
    out = tmp_path_factory.mktemp("runs") / "whole"
    done = ended(model, out)
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout)["schema"] == 1
    return model, out


@pytest.mark.parametrize("moment", ['metrics.jsonl:"round": 0', "checkpoints/latest:round-1", "control.json:"])
def test_killed_and_resumed_it_ends_bit_equal(whole: tuple[Path, Path], tmp_path: Path, moment: str) -> None:
    model, undisturbed = whole
    # On a crowded machine the run may be over before it is killed; that one shows nothing.
    out = next((out for n in range(4) if killed_when(moment, model, out := tmp_path / f"killed {n}")), None)
    assert out is not None, "each of 4 runs was over before it could be killed"
    resumed = ended(model, out, "--resume")
    assert resumed.returncode == 0, resumed.stderr[-2000:]
    for part in ("model", "verifier"):
        mine, theirs = (load_file(folder / part / "model.safetensors") for folder in (out, undisturbed))
        assert all(bool((mine[name] == theirs[name]).all()) for name in theirs), part
    rows = [[json.loads(line) for line in (f / "metrics.jsonl").read_text().splitlines()] for f in (out, undisturbed)]
    assert [row["round"] for row in rows[0]] == [-1, 0, 1]
    for mine_row, their_row in zip(*rows, strict=True):
        assert timeless(mine_row) == timeless(their_row)


def test_told_to_stop_it_finishes_its_round_says_how_to_go_on_and_ends_bit_equal(
    whole: tuple[Path, Path], tmp_path: Path
) -> None:
    model, undisturbed = whole
    out = tmp_path / "told"
    deadline = time.monotonic() + CLOCK
    with subprocess.Popen(command(model, out), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        while not (out / "metrics.jsonl").exists() and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.005)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=CLOCK)
    assert process.returncode == 2
    assert "told to stop (SIGTERM): round 1 of 2 is saved; go on with `ponder run" in " ".join(said.split())
    assert ended(model, out, "--resume").returncode == 0
    mine, theirs = (load_file(folder / "model" / "model.safetensors") for folder in (out, undisturbed))
    assert all(bool((mine[name] == theirs[name]).all()) for name in theirs)


def timeless(row: dict[str, Any]) -> dict[str, Any]:
    """A row without what a clock said."""
    kept = {key: value for key, value in row.items() if key not in ("time", "seconds", "work")}
    return {**kept, "flops by purpose": {name: part["flops"] for name, part in row.get("work", {}).items()}}


def test_a_folder_of_another_configuration_is_refused_by_key(whole: tuple[Path, Path]) -> None:
    model, out = whole
    refused = ended(model, out, "--resume", "--set", "loss.clip_low=0.1")
    assert refused.returncode == 2
    assert "loss.clip_low" in refused.stderr and "Traceback" not in refused.stderr


def test_a_finished_run_is_not_measured_again(whole: tuple[Path, Path]) -> None:
    model, out = whole
    summary, page = out / "summary.json", out / "report.html"
    before = summary.stat().st_mtime_ns
    page.unlink()
    again = ended(model, out, "--resume")
    assert again.returncode == 0, again.stderr[-2000:]
    assert page.exists() and summary.stat().st_mtime_ns == before


def test_the_work_by_purpose_is_the_work_that_training_is_charged_for(whole: tuple[Path, Path]) -> None:
    summary = json.loads((whole[1] / "summary.json").read_text())
    parts = summary["work"]["parts"]
    charged = ("rollout", "labelling", "update", "verifier_update")
    assert sum(parts[name]["flops"] for name in charged) == pytest.approx(summary["flops"]["training"])
    # A part that did nothing took no time, and its utilisation is not measured.
    assert all(((parts[name]["mfu"] or 0.0) > 0) == (parts[name]["flops"] > 0) for name in charged)
    assert parts["verifier_scoring"]["flops"] > 0 < summary["work"]["after"]["evaluation_scoring"]["flops"]
    rollouts = [row["work"]["rollout"]["flops"] for row in summary["rounds"] if "work" in row]
    assert sum(rollouts) == pytest.approx(parts["rollout"]["flops"])
