"""Other people's labels become a label file of a model, from which a verifier learns."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from ponder import cli
from ponder.api.policies import load_policy
from ponder.labels import parquet
from ponder.labels.foreign import STEP_TAG, tokenised
from ponder.labels.rows import LabelRow, Origin, labelled
from ponder.types import PonderError


def ponder(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["ponder", *arguments])
    with pytest.raises(SystemExit) as left:
        cli.main()
    return int(left.value.code or 0)


def shepherd_file(path: Path, count: int) -> Path:
    """`count` solutions of two steps, of which every second one is wrong from its second step on."""
    rows = []
    for i in range(count):
        text = f"What is {i}+1? Step 1: {i}+1={i + 1}. {STEP_TAG}\nStep 2: The answer is {i + 1 + i % 2}. {STEP_TAG}"
        marks = text.replace(STEP_TAG, "+") if i % 2 == 0 else text.replace(STEP_TAG, "+", 1).replace(STEP_TAG, "-")
        rows.append({"input": text, "label": marks, "task": "toy"})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_steps_end_with_the_separator_and_hold_none_inside() -> None:
    row = LabelRow("a", "f", "q", "", ("one\ntwo", "three"), (), (0, 1), (1.0, 0.0), (0, 0), None, 1)
    made = tokenised(row, lambda text: tuple(map(ord, text)), Origin("prm800k", "m", "mine", "\n", 0))
    assert made.steps == ("one two\n", "three")
    assert made.tokens == (tuple(map(ord, "one two\n")), tuple(map(ord, "three")))
    assert (made.tokenizer, made.step_rule, made.model) == ("mine", "\n", "m")
    item = labelled(made, "here")
    assert [(k.step, k.value) for k in item.labels] == [(0, 1.0), (1, 0.0)] and item.first_error == 1
    assert item.trajectory.text == "one two\nthree"
    with pytest.raises(PonderError, match="here: no tokens, only text"):
        labelled(row, "here")


def test_a_converted_file_trains_a_verifier(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, out = shepherd_file(tmp_path / "shepherd.jsonl", 24), tmp_path / "labels.parquet"
    assert ponder(monkeypatch, "convert-labels", "math-shepherd", str(file), "--out", str(out), "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["rows"], told["labels"], told["first_errors"], told["too_long"]) == (24, 48, 12, 0)
    first = parquet.read(out)[0]
    assert load_policy("tiny").codec.decode(first.tokens[0]) == first.steps[0] == "Step 1: 0+1=1.\n"
    folder = str(tmp_path / "verifier")
    assert ponder(monkeypatch, "verifier", "train", "--labels", str(out), "--out", folder, "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["trained_on"] + report["held_out"] == 24 and report["steps"] > 0


def test_what_cannot_be_converted_is_said_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, out = shepherd_file(tmp_path / "shepherd.jsonl", 1), str(tmp_path / "labels.parquet")
    for arguments, said in (
        (["math-shephard", str(file)], "Did you mean 'math-shepherd'?"),
        (["prm800k", str(file)], "not a prm800k row"),
        (["math-shepherd", str(file), "--separator", ""], "separator of steps is empty"),
    ):
        assert ponder(monkeypatch, "convert-labels", *arguments, "--out", out) == 2
        assert said in " ".join(capsys.readouterr().err.split())
