"""What is killed goes on and ends with the weights, rows and samples of what was not killed.

The kills are those of `benchmarks.kills`, a few of them; `python -m benchmarks.kills --stories 20` tries more.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from safetensors.torch import load_file

from ponder.api.train import train
from ponder.api.training.run import is_finished
from ponder.runlog import read_jsonl
from ponder.types import PonderError
from tests.selfplay.small import SETTINGS

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


@dataclass(frozen=True)
class Killed:
    """What `benchmarks.kills` said, and the run that nobody disturbed, with its model."""

    code: int
    said: str
    model: Path
    out: Path


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Killed:
    """A run, an evaluation and a labelling job that were killed inside operations on their folder, and went on."""
    place = tmp_path_factory.mktemp("kills")
    arguments = ["--place", str(place), "--at", "operations", "--stories", "1", "--kills", "3", "--seed", "3"]
    program = LIMITED.replace("ponder.cli", "benchmarks.kills")
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, timeout=3 * CLOCK
    )
    return Killed(done.returncode, f"{done.stdout}\n{done.stderr[-2000:]}", place / "model", place / "run" / "whole")


@pytest.fixture(scope="module")
def whole(killed: Killed) -> tuple[Path, Path]:
    """The model folder and the folder of a run that nobody disturbed."""
    return killed.model, killed.out


def test_what_was_killed_at_random_ends_bit_equal_with_no_row_lost_or_doubled(killed: Killed) -> None:
    assert killed.code == 0, killed.said
    assert "0 faults" in killed.said
    kills = re.findall(r"^\| (run|eval|label): .* \| (\d+) \|$", killed.said, re.MULTILINE)
    assert {job for job, _ in kills} == {"run", "eval", "label"} and sum(int(count) for _, count in kills) >= 4


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
    train(out=out, resume=True)  # `benchmarks.kills` resumes by the command
    mine, theirs = (load_file(folder / "model" / "model.safetensors") for folder in (out, undisturbed))
    assert all(bool((mine[name] == theirs[name]).all()) for name in theirs)


def test_a_folder_of_another_configuration_is_refused_by_key(whole: tuple[Path, Path]) -> None:
    with pytest.raises(PonderError, match=r"loss\.clip_low"):
        train(out=whole[1], settings=["loss.clip_low=0.1"], resume=True)


def test_a_summary_that_cannot_be_read_does_not_make_a_run_finished(tmp_path: Path) -> None:
    """It is set aside when the folder is opened, and then it is no longer there to be shown."""
    assert not is_finished(tmp_path)
    for broken in ("{", "[]", "", "[" * 100_000):
        (tmp_path / "summary.json").write_text(broken, encoding="utf-8")
        assert not is_finished(tmp_path)
    (tmp_path / "summary.json").write_text("{}", encoding="utf-8")
    assert is_finished(tmp_path)


def test_a_finished_run_is_not_measured_again(whole: tuple[Path, Path]) -> None:
    out = whole[1]
    summary, page, events = (out / name for name in ("summary.json", "report.html", "events.jsonl"))
    before, rows = summary.stat().st_mtime_ns, events.read_text()
    page.unlink()
    events.write_text("".join(line for line in rows.splitlines(True) if '"finished"' not in line))  # killed just then
    train(out=out, resume=True)
    assert page.exists() and summary.stat().st_mtime_ns == before
    assert [row["kind"] for row in read_jsonl(events)].count("finished") == 1


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
