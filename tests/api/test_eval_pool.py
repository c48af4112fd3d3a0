"""Somebody else's samples: equal answers vote together, curves are exact, and a bad row is named with its line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ponder.api.evaluating.pool import Judged, evaluate_pool, measure, shown
from ponder.api.evaluating.pool_rows import read
from ponder.types import PonderError


def write(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def result(tmp_path: Path, *rows: dict[str, Any]) -> dict[str, Any]:
    file = write(tmp_path / "pool.jsonl", *rows)
    return evaluate_pool(file, tmp_path / "out", seed=0, overwrite=True, tell=lambda *_: None)


def test_answers_that_are_equal_vote_together_whatever_their_form(tmp_path: Path):
    boxed = [r"\boxed{\frac{1}{2}}", r"\boxed{0.5}", r"\boxed{3}", r"\boxed{3}", r"\boxed{1/2}"]
    found = result(tmp_path, {"problem": "Half of one?", "answer": "1/2", "responses": boxed})
    assert found["largest"] == 5
    assert found["results"]["mean"]["y"] == pytest.approx(0.6)
    assert found["results"]["majority"]["y"] == 1.0  # three forms of a half against two threes
    assert found["results"]["pass"]["y"] == 1.0
    assert "best_of_n" not in found["results"]
    assert json.loads((tmp_path / "out" / "metrics.json").read_text())["curves"] == found["curves"]
    assert "majority vote" in (tmp_path / "out" / "pool.html").read_text(encoding="utf-8")


def test_scores_choose_and_step_scores_are_aggregated(tmp_path: Path):
    row = {
        "problem": "2+2?",
        "answer": 4,
        "responses": [r"\boxed{4}", r"\boxed{5}", r"\boxed{5}", ""],
        "scores": [[0.1, 0.9], [0.9, 0.4], 0.4, 0.99],
    }
    found = result(tmp_path, row)
    assert found["results"]["majority"]["y"] == 0.0
    assert found["results"]["weighted_vote"]["y"] == 1.0  # 0.9 against 0.4 + 0.4
    assert found["results"]["best_of_n"]["y"] == 0.0  # the best-scored sample has no answer
    # Of two drawn the best wins: pairs with sample 1 but without the 0.99 one are right, 2 of 6.
    assert found["curves"]["best_of_n"][1]["y"] == pytest.approx(2 / 6)
    assert [point["N"] for point in found["curves"]["pass"]] == [1, 2, 3, 4]


def test_every_curve_begins_at_the_mean_and_an_oracle_reaches_any_right():
    judged = [
        Judged((1.0, 0.0, 0.0, 1.0), ("a", "b", "c", "a"), (1.0, 0.0, 0.0, 1.0)),
        Judged((0.0, 0.0, 1.0, 0.0), ("x", "x", "y", None), (0.0, 0.0, 1.0, 0.0)),
    ]
    curves = measure(judged)["curves"]
    assert {name: points[0]["y"] for name, points in curves.items()} == pytest.approx(dict.fromkeys(curves, 0.375))
    assert [p["y"] for p in curves["best_of_n"]] == pytest.approx([p["y"] for p in curves["pass"]])


def test_what_cannot_be_graded_is_dropped_and_counted(tmp_path: Path):
    good = {"problem": "1+1?", "answer": "2", "responses": [r"\boxed{2}"]}
    found = result(tmp_path, good, {"problem": "?", "answer": None, "responses": [r"\boxed{2}"]})
    assert (found["n"], found["dropped"], found["failures"]) == (1, 1, {"gold": 1})
    with pytest.raises(PonderError, match="no response of 1 problems could be graded"):
        result(tmp_path, {"problem": "?", "answer": None, "responses": ["2"]})


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"problem": "?", "responses": ["2"]}, "no 'answer'"),
        ({"problem": "?", "answer": "2", "responses": []}, "at least one text"),
        ({"problem": "?", "answer": "2", "responses": ["2"], "scores": [1, 1]}, r"as long as responses \(1\), got 2"),
        ({"problem": "?", "answer": "2", "responses": ["2"], "scores": ["high"]}, "'high' is no score"),
        ({"problem": "?", "answer": "2", "responses": ["2"], "scores": [float("nan")]}, "nan is no score"),
        ({"problem": "?", "answer": {"x": 2}, "responses": ["2"]}, "answer is dict"),
        ({"problem": "?", "answer": "2", "responses": ["2"], "scores": [1.5]}, "score 1.5 is outside 0 to 1"),
        ({"problem": "?", "answer": "2", "responses": ["2"], "scores": [[0.5, -2]]}, "score -2 is outside 0 to 1"),
    ],
)
def test_a_bad_row_is_named_with_its_line(tmp_path: Path, row: dict[str, Any], said: str):
    good = {"problem": "?", "answer": "2", "responses": ["2"]}
    with pytest.raises(PonderError, match=rf"line 2.*{said}"):
        read(write(tmp_path / "pool.jsonl", good, row))


def test_large_pools_are_shown_at_few_n():
    assert shown(3) == [1, 2, 3]
    many = shown(1860)
    assert many[0] == 1 and many[-1] == 1860 and len(many) <= 24 and many == sorted(set(many))
