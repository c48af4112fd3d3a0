"""What the recipes that compare arms share, by hand."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest

from ponder.rollout import store
from ponder.types import Group, Key, Problem, Question, Step, StopReason, Trajectory, Verdict
from recipes import arms
from recipes.algorithms import compare as algorithms
from recipes.algorithms import curves
from recipes.beyond import measure as beyond
from recipes.coupling.compare import course, stored, table


def test_intervals_over_seeds_are_students() -> None:
    found = arms.over_seeds([1.0, 2.0, 3.0, 4.0, 5.0, None])
    assert found is not None and (found.y, found.n) == (3.0, 5)
    assert found.high - found.y == pytest.approx(2.776 * 2.5**0.5 / 5**0.5) == found.y - found.low
    many = arms.over_seeds([0.0, 1.0] * 6)  # 11 degrees of freedom: 2.201
    assert many is not None and many.high - many.y == pytest.approx(2.201 * (3 / 11) ** 0.5 / 12**0.5, rel=2e-3)
    assert arms.over_seeds([None]) is None
    assert arms.percent(arms.over_seeds([0.25])) == "25.0"
    assert arms.percent(arms.Mean(0.1, -0.05, 0.25, 5), sign=True) == "+10.0 (-5.0 to 25.0)"


def test_a_finished_cell_is_read_and_not_made_again(tmp_path: Path) -> None:
    made = []

    def work() -> dict[str, Any]:
        made.append(1)
        return {"y": 0.5}

    first = arms.once(tmp_path / "a.json", work, lambda found: f"{found['y']}")
    assert arms.once(tmp_path / "a.json", work, lambda found: f"{found['y']}") == first
    assert made == [1] and json.loads((tmp_path / "a.json").read_text())["y"] == 0.5
    with pytest.raises(SystemExit, match="no arm called b; there are a, c"):
        arms.chosen("a,b", ["a", "c"])
    assert arms.markdown(["x", "y"], [["1", "2"]]) == "| x | y |\n|---|---|\n| 1 | 2 |\n"


def test_answers_that_were_kept_are_read_as_they_were(tmp_path: Path) -> None:
    question = Question("q", "sums", "1+1?")
    first = Step((5, 6), (-1.0, -2.0), "a\n", 3, StopReason.STEP)
    leaf = Step((7,), (-0.5,), "2", 3, StopReason.END, first)
    broken = Trajectory(question, Step((8,), (-1.0,), "?", 3, StopReason.END))
    group = Group(
        Problem(question, Key("2")),
        (Trajectory(question, leaf), broken),
        (Verdict(outcome=1.0), Verdict(failure="timeout")),
    )
    store.write(tmp_path / "some.parquet", [[group]])
    ((trajectory, outcome),) = stored(tmp_path / "some.parquet", {"q": question})
    assert outcome == 1.0 and trajectory.question is question
    assert [(s.tokens, s.logprobs, s.text, s.stop) for s in trajectory.steps] == [
        (s.tokens, s.logprobs, s.text, s.stop) for s in (first, leaf)
    ]


def row(flops: float, accuracy: float) -> dict[str, Any]:
    return {"flops": flops, "validation": {"sums": accuracy, "mean": accuracy}, "updates": 1}


def cell(arm: str, *rows: dict[str, Any]) -> dict[str, Any]:
    found = {"arm": arm, "seed": 0, "rows": list(rows), "final": rows[-1]["validation"]["sums"]}
    more = {"course": course(list(rows), rows[-1]["flops"]), "only_verifier": None, "seconds": 1.0}
    return {**found, **more, "verifier": {"first": 0.7, "last": None}}


def test_the_course_is_the_area_under_the_curve_and_rounds_are_compared_whatever_they_cost() -> None:
    # 0.2 to 0.4 over the first half of the work, 0.4 to 0.8 over half of the rest, where the budget ends.
    assert course([row(0, 0.2), row(5, 0.4), row(15, 0.8)], 10.0) == pytest.approx(0.5 * 0.3 + 0.5 * 0.5)
    reference = cell("outcome", row(0, 0.2), row(10, 0.4), row(20, 0.5))
    dear = cell("prime", row(0, 0.2), row(20, 0.45))
    found = table([reference, dear])[1]
    assert found.as_many is not None and found.as_many.y == pytest.approx(0.05)
    assert found.gain is not None and found.gain.y == pytest.approx(-0.05)
    assert found.last is None


def training(ceiling: float) -> dict[str, Any]:
    """Ten rounds on a sigmoid from 0.2 to `ceiling`, half of it made at 4 GFLOPs, exponent 2; a family that lags."""
    rows = []
    for work in (0.0, *(1e9 * step for step in range(1, 13))):
        share = 1 / (1 + (4e9 / work) ** 2) if work else 0.0
        y = 0.2 + (ceiling - 0.2) * share
        rows.append({"flops": work, "seconds": work / 1e9, "ladder": {"a": [y + 0.1], "b": [y - 0.1, y - 0.1]}})
    return {"rows": rows}


def test_the_ceiling_of_a_curve_is_a_mean_over_seeds_and_none_where_a_bound_set_it(tmp_path: Path) -> None:
    asymptote, half, tail, unchanged = curves.fitted([training(0.7), training(0.8)])
    assert asymptote.startswith("75.0 (") and half.startswith("4") and tail.startswith("0.0")
    assert float(unchanged.split()[0]) > 2.0  # the last quarter still rises
    flat = {"rows": [{**row, "ladder": {"a": [0.5]}} for row in training(0.7)["rows"]]}
    assert curves.fitted([training(1.0)])[0] == "-; 1 of 1 at the bound"
    assert curves.fitted([flat]) == ["-", "-", "-", "-"]
    curves.draw({"x": [training(0.7), training(0.8)], "y": [flat]}, tmp_path / "curves.png")
    assert (tmp_path / "curves.png").stat().st_size > 10_000


@pytest.mark.parametrize("name", algorithms.ARMS)
def test_the_parts_of_every_arm_go_together(name: str) -> None:
    options = Namespace(model="tiny", per_round=1, threads=1, prompts=6)
    assert algorithms.configured(name, 1e-3, 0, options).trainer.learning_rate == 1e-3


def test_accuracy_by_number_of_changes_and_what_many_tries_solve(tmp_path: Path) -> None:
    def arm(name: str, seed: int, *right: int) -> dict[str, Any]:
        pairs = {str(at): [[n, 256], [0, 256]] for at, n in zip((2, 3), right, strict=True)}
        return {"arm": name, "seed": seed, "right": pairs}

    options = Namespace(changes=[2, 3], shown=2, passes=["base"], out=tmp_path)
    cells = [arm("base", 0, 64, 0), arm("self-play", 0, 256, 128), arm("self-play", 1, 128, 128)]
    first, second = beyond.said(cells, options).split("Solved in 256 tries")
    assert "| base (1) | 12.5 | 0.0 |" in first
    assert "| self-play (2) | 37.5 (-121.3 to 196.3) | 25.0 (25.0 to 25.0) |" in first
    assert "| base | 50.0 | 0.0 |" in second and "self-play" not in second
    beyond.draw(cells, options)
    assert (tmp_path / "beyond.png").stat().st_size > 10_000
