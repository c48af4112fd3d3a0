"""The GPU's benchmark and its prepared session: run in small on the CPU, and silent where there is no GPU."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from benchmarks import gpu

ROOT = Path(__file__).parent.parent.parent


def test_without_a_gpu_nothing_is_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if torch.cuda.is_available():
        pytest.skip("a GPU is here")
    gpu.main(["--out", str(tmp_path / "gpu.json")])
    assert "nothing was measured" in capsys.readouterr().out
    assert not (tmp_path / "gpu.json").exists()


def test_the_toy_goes_through_every_part(tmp_path: Path) -> None:
    out = tmp_path / "gpu.json"
    small = ["--shapes", "toy", "--device", "cpu", "--prompts", "2", "--rounds", "1", "--most", "2", "--response", "32"]
    small += ["--group-tokens", "8"]
    gpu.main([*small, "--out", str(out)])
    (row,) = json.loads(out.read_text(encoding="utf-8"))["rows"]
    assert row["rollout"][0]["local"] > 0 and row["update"][-1]["samples"] == 2
    assert [found["backend"] for found in row["backends"]] == ["module", "packed", "flex"]
    assert all(found["seconds"] > 0 for found in row["backends"])
    assert {"sampling_seconds", "update_seconds", "publish_seconds"} <= row["long_step"].keys()


def test_the_session_says_that_there_is_no_gpu(tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("a GPU is here")
    environment = {**os.environ, "PYTHON": sys.executable}
    done = subprocess.run(
        [ROOT / "scripts/gpu_session.sh", "tiny", tmp_path], env=environment, text=True, capture_output=True, check=True
    )
    assert "nothing was measured" in done.stdout
