"""`ponder reflect` on run folders written by hand: what is counted, and what is said where nothing ever goes back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from rich.console import Console

from ponder.api.reflection import reflect
from ponder.commands import reflect as printed
from ponder.evaluation.reflection.over_training import measured, over_training
from ponder.reports.thinking import reflection as thinking_reflection
from ponder.rollout import store
from ponder.runlog import RunLog
from ponder.types import Group, Key, PonderError, Problem, Question, Step, StopReason, Trajectory, Verdict

HIT, MISS, END = "6*3=18,18*1=18|18!\n", "6-1=5,5*3=15|18\n", "</think>(6*3)*1"


def trajectory(question: Question, texts: list[str]) -> Trajectory:
    leaf = None
    for text in texts:
        leaf = Step((1,) * 10, (0.0,) * 10, text, 0, StopReason.STEP if text != texts[-1] else StopReason.END, leaf)
    assert leaf is not None
    return Trajectory(question, leaf)


def group(name: str, family: str, *responses: list[str]) -> Group:
    question = Question(name, family, "Make 18 from 3, 6, 1.", level=3)
    some = tuple(trajectory(question, texts) for texts in responses)
    return Group(Problem(question, Key("18")), some, tuple(Verdict(outcome=1.0, extracted="18") for _ in some))


def run_folder(folder: Path, *rounds: list[Group]) -> Path:
    RunLog.open(folder, {"sampling": {"max_tokens": 40}}).close()
    for number, groups in enumerate(rounds, start=1):
        store.write(folder / "trajectories" / f"round-{number:04d}.parquet", [groups])
    return folder


FIRST = [group("a", "countdown", [MISS, HIT, END], [HIT, END]), group("b", "countdown", [HIT, END])]
LAST = [group("c", "countdown", [MISS, MISS, HIT, END])]
PLAIN = group("d", "arithmetic", ["3+4=7\n", "</think>7"])


def test_each_round_has_its_share_with_an_interval_over_problems(tmp_path: Path) -> None:
    run = run_folder(tmp_path / "run", FIRST, LAST)
    first, last = (entry["families"]["countdown"] for entry in over_training(run))
    assert (first["steps"], first["reflecting"], first["useful"], first["problems"], first["level"]) == (4, 1, 1, 2, 3)
    share = first["intervals"]["share"]
    assert share["y"] == first["share"] == 1 / 4 and share["low"] <= 1 / 4 <= share["high"] and share["n"] == 2
    assert (last["share"], last["intervals"]["useful"]["y"], last["intervals"]["idle"]["y"]) == (2 / 3, 1 / 2, 1 / 2)


def test_a_smaller_budget_holds_only_the_steps_that_end_within_it(tmp_path: Path) -> None:
    run = run_folder(tmp_path / "run", LAST)
    budgets = {one["tokens"]: one["families"]["countdown"] for one in over_training(run, 40)[0]["budgets"]}
    assert list(budgets) == [5, 10, 20, 40]
    assert [one["steps"] for one in budgets.values()] == [0, 1, 2, 3]
    assert [one["share"] for one in budgets.values()] == [None, 0.0, 1 / 2, 2 / 3]
    assert budgets[5]["intervals"]["share"] is None


def test_where_nothing_goes_back_the_share_is_0_with_an_upper_end_and_its_effects_are_none() -> None:
    row = {"family": "f", "problem": "p", "level": 1, "question": "1+1", "outcome": 1.0, "extracted": "2"}
    found = measured([{**row, "steps": ["1+1=2\n", "</think>2"]}])["f"]
    assert found["intervals"]["share"]["y"] == 0.0 and found["intervals"]["share"]["high"] > 0.5
    assert [found["intervals"][effect] for effect in ("useful", "harmful", "idle")] == [None, None, None]


@pytest.mark.parametrize("width", [80, 120])
def test_the_table_is_whole_and_a_family_that_never_goes_back_is_told_so(tmp_path: Path, width: int) -> None:
    run = run_folder(tmp_path / "run", [*FIRST, PLAIN], LAST)
    data = reflect(run, tmp_path / "out")
    console = Console(width=width)
    with console.capture() as said:
        console.print(printed.shown(data))
    assert "arithmetic: none of 1 steps in 1 rounds goes back" in said.get()
    assert "66.7" in said.get() and "useful" in said.get() and "…" not in said.get()
    assert json.loads((tmp_path / "out" / "reflection.json").read_text()) == json.loads(json.dumps(data))
    assert (tmp_path / "out" / "reflection.png").stat().st_size > 1000
    page = (tmp_path / "out" / "reflection.html").read_text(encoding="utf-8")
    assert (
        "Never goes back, in any round: arithmetic." in page and "from the first round to the last: countdown" in page
    )
    assert page.count("<svg") == 3 and "<script" not in page


def test_a_run_in_which_nothing_ever_goes_back_has_a_picture_that_says_never(tmp_path: Path) -> None:
    run = run_folder(tmp_path / "run", [PLAIN])
    figure = thinking_reflection.drawing(reflect(run))
    assert len(figure.axes) == 1
    assert [line.get_label() for line in figure.axes[0].get_lines()] == ["arithmetic (never)"]


def test_a_folder_without_samples_or_that_is_no_run_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(PonderError, match="keeps no samples"):
        reflect(run_folder(tmp_path / "run"))
    with pytest.raises(PonderError, match="no run folder"):
        reflect(tmp_path)
