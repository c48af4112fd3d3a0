"""A run watched while it goes on, several side by side, and tables and pictures as files."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from ponder.api.study.compare import compare
from ponder.api.study.watch import newest, state
from ponder.cli import app
from ponder.reports.compare.runs import named
from ponder.reports.follow import page, terminal
from ponder.reports.follow.curves import spark
from ponder.reports.follow.state import Said, read
from ponder.reports.run.page import exported
from ponder.rollout import store
from ponder.runlog import RunLog
from ponder.types import Group, Key, PonderError, Problem, Question, Step, StopReason, Trajectory, Verdict
from tests.reports.synthetic import summary, write

SAID = (Said("countdown", "Make 18\x1b[2J from 3, 6, 1.", ("a step",) * 9, 1.0),)


def run_folder(folder: Path, rounds: int, *, ended: bool = False, rate: float = 3e-4, alarm: bool = False) -> Path:
    """A run of six rounds of which some are over: accuracy 0.4 before, and a tenth more after each."""
    with RunLog.open(folder, {"rounds": 6, "updates": 2, "trainer": {"learning_rate": rate}}) as log:
        for number in range(-1, rounds):
            right = 0.4 + 0.1 * (number + 1)
            alarms = [{"says": "answers repeat themselves", "signal": "repetition"}] if alarm else []
            log.metric(
                number + 1,
                round=number,
                seconds=30.0 * (number + 1),
                flops=1e10 * (number + 1),
                validation={"countdown": right, "mean": right},
                **({"entropy": 0.2 - 0.01 * number, "health": {"alarms": alarms}} if number >= 0 else {}),
            )
        if ended:
            log.event("finished", seconds=1.0)
    return folder


def shown(renderable: Any) -> list[str]:
    console = Console(width=80, record=True, force_terminal=False)
    console.print(renderable)
    return console.export_text().splitlines()


def test_a_run_that_goes_on_says_how_far_it_is_and_what_is_left(tmp_path: Path) -> None:
    going = read(run_folder(tmp_path / "run", 2), SAID)
    assert (going.done, going.total, going.ended, going.seconds, going.left) == (2, 6, False, 60.0, 120.0)
    assert going.series("validation", "mean") == [(-1.0, 0.4), (0.0, 0.5), (1.0, pytest.approx(0.6))]
    lines = shown(terminal.frame(going, 80))
    text = "\n".join(lines)
    assert all(len(line) <= 80 for line in lines)
    assert "round 2 of 6" in text and "about 2" in text and "No alarm." in text
    assert "40.0 %" in text and "60.0 %" in text
    assert "countdown, right: Make 18" in text and "a step" in text
    ended = read(run_folder(tmp_path / "over", 6, ended=True))
    assert ended.ended and ended.left is None and "ended after 6 rounds" in terminal.line(ended)


def test_alarms_and_silence_are_said(tmp_path: Path) -> None:
    folder = run_folder(tmp_path / "run", 2, alarm=True)
    going = read(folder)
    assert going.alarms == ("round 1: answers repeat themselves", "round 2: answers repeat themselves")
    assert "ALARM, round 2: answers repeat themselves" in terminal.line(going)
    late = max(row["time"] for row in map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())) + 3600
    assert "nothing was written for" in terminal.headline(read(folder, now=late))


def test_a_line_that_is_being_written_is_left_out(tmp_path: Path) -> None:
    folder = run_folder(tmp_path / "run", 1)
    with (folder / "metrics.jsonl").open("a") as file:
        file.write('{"round": 1, "validation": {"mean": 0.')
    assert read(folder).done == 1
    with pytest.raises(PonderError, match="not a run folder"):
        read(tmp_path / "none")


def test_bars_from_the_least_to_the_greatest() -> None:
    assert spark([0.0, 1.0], 8) == "▁█"
    assert spark([2.0, 2.0, 2.0], 8) == "▄▄▄"
    assert spark([0.0, 0.0, 1.0, 1.0], 2) == "▁█"
    assert spark([], 8) == ""


def test_the_newest_samples_are_read_right_ones_first(tmp_path: Path) -> None:
    def group(name: str, outcome: float) -> Group:
        question = Question(name, name, f"question {name}")
        leaf = Step((1,), (0.0,), "an answer", 0, StopReason.END)
        return Group(Problem(question, Key("1")), (Trajectory(question, leaf),), (Verdict(outcome=outcome),))

    folder = run_folder(tmp_path / "run", 1)
    assert newest(folder, 3) == []
    store.write(folder / "trajectories" / "round-0001.parquet", [[group("a", 0.0), group("b", 1.0)]])
    assert [(s.family, s.outcome) for s in state(folder).said] == [("b", 1.0), ("a", 0.0)]
    (folder / "trajectories" / "round-0002.parquet").write_bytes(b"half")
    assert newest(folder, 3) == []  # it is being written


def test_the_page_loads_itself_again_only_while_the_run_goes_on(tmp_path: Path) -> None:
    going = page.page(read(run_folder(tmp_path / "run", 3), SAID))
    assert 'http-equiv="refresh" content="10"' in going
    assert "Validation accuracy by family" in going and "<script" not in going and "\x1b" not in going
    assert 'http-equiv="refresh"' not in page.page(read(run_folder(tmp_path / "over", 3, ended=True)))


def test_the_commands(tmp_path: Path) -> None:
    folder = run_folder(tmp_path / "run", 2, ended=True)
    once = CliRunner().invoke(app, ["watch", str(folder), "--page", str(tmp_path / "watch.html")])
    assert once.exit_code == 0 and "ended after 2 rounds" in once.stdout and (tmp_path / "watch.html").is_file()
    data = json.loads(CliRunner().invoke(app, ["watch", str(folder), "--json"]).stdout)
    assert (data["done"], data["ended"], len(data["rows"])) == (2, True, 3)


def test_runs_side_by_side(tmp_path: Path) -> None:
    one = run_folder(tmp_path / "one", 6, ended=True)
    write(one, summary())
    two = run_folder(tmp_path / "two", 3, rate=1e-3, alarm=True)
    found = compare([one, two], tmp_path / "out")
    data = found.as_data()
    reached = {row[""]: (row["one"], row["two"]) for row in data["reached"]}
    assert reached["Rounds"] == ("6 of 6", "3 of 6 (goes on)")
    assert reached["Validation accuracy, best"][1].endswith("(round 3)")
    assert reached["Alarms"] == ("0", "3")
    assert reached["Gain at temperature 1"][1] == "not measured" != reached["Gain at temperature 1"][0]
    assert data["settings"] == [{"Setting": "trainer.learning_rate", "one": "0.0003", "two": "0.001"}]
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"compare.html", "compare.csv", "settings.csv", "by_work.svg", "by_round.svg", "entropy.svg"} <= written
    rows = list(csv.reader((tmp_path / "out" / "compare.csv").open()))
    assert rows[0][:2] == ["", "one"] and all(len(row) == len(rows[0]) for row in rows)
    assert not any("\u2212" in cell or "\u00a0" in cell for row in rows for cell in row)
    with pytest.raises(PonderError, match="1 run to compare"):
        compare([one], None)
    printed = CliRunner().invoke(app, ["compare", str(one), str(two)])
    assert printed.exit_code == 0 and "trainer.learning_rate" in printed.stdout


def test_names_differ_by_as_much_of_the_path_as_is_needed(tmp_path: Path) -> None:
    assert named([tmp_path / "a" / "run", tmp_path / "b" / "run"]) == ["a/run", "b/run"]
    assert named([tmp_path / "x", tmp_path / "y"]) == ["x", "y"]


def test_every_table_and_picture_of_a_report_as_files(tmp_path: Path) -> None:
    written = exported(write(tmp_path / "run", summary()), tmp_path / "out")
    names = {path.name for path in written}
    assert {"accuracy.csv", "decoding.csv", "rounds.csv", "lead.svg", "train_time.svg", "train_time.csv"} <= names
    svg = (tmp_path / "out" / "lead.svg").read_text()
    assert svg.startswith("<?xml") and "Base, one answer" in svg and "http://www.w3.org/2000/svg" in svg
    rows = list(csv.reader((tmp_path / "out" / "accuracy.csv").open()))
    assert rows[0][:3] == ["Family", "Family, detail", "Base"]
