"""`ponder label` from the command line on an untrained model: files, resume, refusals."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from ponder import cli
from ponder.labels import parquet
from tests.selfplay.small import model_folder

SMALL = ["--limit", "2", "--responses", "2", "--rollouts", "2", "--max-tokens", "41", "--json"]


def ponder(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["ponder", *arguments])
    with pytest.raises(SystemExit) as left:
        cli.main()
    return int(left.value.code or 0)


def test_labels_are_written_and_a_finished_job_is_not_done_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, model = tmp_path / "out", str(model_folder(tmp_path / "model"))
    command = ["label", "--model", model, "--problems", "arithmetic?terms=2,cipher?words=1", "--method", "shepherd"]
    assert ponder(monkeypatch, *command, *SMALL, "--out", str(out)) == 0
    summary = json.loads(capsys.readouterr().out)
    rows = parquet.read(out / "labels.parquet", tokenizer=summary["tokenizer"], step_rule="\n")
    assert len(rows) == summary["rows"] == 8 and summary["problems"] == 4 and summary["rollouts"] >= 8
    before = (out / "labels.parquet").read_bytes()
    assert ponder(monkeypatch, *command, *SMALL, "--out", str(out)) == 2
    assert "--resume" in capsys.readouterr().err
    assert ponder(monkeypatch, *command, *SMALL, "--out", str(out), "--resume") == 0
    assert (out / "labels.parquet").read_bytes() == before
    other = [*command[:-1], "omega"]
    assert ponder(monkeypatch, *other, *SMALL, "--out", str(out), "--resume") == 2
    assert "method was 'shepherd' and is now 'omega'" in capsys.readouterr().err.replace("\n", " ")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--method", "omegga"], "Allowed are: shepherd"),
        (["--best-of", "4"], "only --method advantages"),
        (["--method", "rest", "--prover", "tiny"], "leave the prover out"),
        (["--method", "rest", "--judge", "nowhere"], "use shepherd or omega"),
        (["--method", "advantages", "--best-of", "9"], "--best-of 9 with --rollouts 8"),
        (["--judge", "nowhere"], "no verifier folder"),
        (["--prover", "nowhere/at/all"], "nowhere/at/all"),
        (["--budget", "10", "--problems", "countdown"], "does not hold 8 responses"),
    ],
)
def test_bad_input_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    said: str,
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert ponder(monkeypatch, "label", "--limit", "1", "--json", *arguments, "--out", str(tmp_path / "out")) == 2
    captured = capsys.readouterr()
    assert said in captured.err.replace("\n", " ") and "Traceback" not in captured.err and captured.out == ""
    assert not (tmp_path / "out" / "labels.parquet").exists()
