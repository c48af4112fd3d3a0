"""Turns and tools in a report: what stands in the tables, and that a run of single answers has no such section."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ponder.reports.run import by_turn, page
from tests.reports import synthetic

SPACE = "\N{NO-BREAK SPACE}"


def _turn(turn: int, y: float, reached: float, tokens: float, read: float) -> dict[str, Any]:
    right = {"y": y, "low": y - 0.1, "high": y + 0.1, "n": 40}
    return {"turn": turn, "reached": reached, "accuracy": right, "tokens": tokens, "read": read}


def acting() -> dict[str, Any]:
    """The made-up run in an environment of several turns, with a calculator."""
    summary = synthetic.summary()
    base = [_turn(1, 0.2, 1.0, 40.0, 0.0), _turn(2, 0.3, 0.8, 100.0, 24.0), _turn(3, 0.35, 0.7, 150.0, 45.0)]
    final = [_turn(1, 0.6, 1.0, 50.0, 0.0), _turn(2, 0.75, 0.4, 80.0, 12.0)]
    summary["episodes"] = {
        "environment": "retry",
        "base": {"turns": base, "failures": {"environment": 3, "tool": 1}, "episodes": 40},
        "final": {"turns": final, "failures": {"tool": 2}, "episodes": 40},
    }
    for i, row in enumerate(summary["rounds"]):
        row["calls"] = {"answers": 40.0, "share": i / 10, "per_answer": i / 5, "right_without": 0.25}
        if i:
            row["calls"]["right_with"] = 0.5 + i / 20
    return summary


def shown(grid: Any) -> list[list[str]]:
    return [[" ".join(filter(None, (cell.value, cell.detail))) for cell in row] for row in grid.rows]


def test_a_row_has_the_tokens_of_its_own_turn() -> None:
    table = shown(by_turn.table(acting()))
    assert [row[0] for row in table] == ["Turn 1 base", "Turn 1 final", "Turn 2 base", "Turn 2 final", "Turn 3 base"]
    assert table[2] == ["Turn 2 base", f"30.0{SPACE}% 20.0 to 40.0", f"80{SPACE}%", "36.0", "24.0"]
    assert table[4][3:] == ["29.0", "21.0"]
    assert [row[3] for row in table[:2]] == ["40.0", "50.0"]


def test_failures_stand_by_type_and_arm() -> None:
    table = shown(by_turn.failures(acting()))
    assert table == [["environment", "3", "0"], ["tool", "1", "2"], ["episodes played", "40", "40"]]


def test_calls_before_and_after_training() -> None:
    table = shown(by_turn.calls(acting()))
    assert table[0] == ["Base 40 answers", f"0.0{SPACE}%", "0.00", "none", f"25.0{SPACE}%"]
    assert table[1] == ["Final 40 answers", f"90.0{SPACE}%", "1.80", f"95.0{SPACE}%", f"25.0{SPACE}%"]


def test_the_page_has_them_and_that_of_single_answers_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synthetic.undrawn(monkeypatch)
    text = page.render(synthetic.write(tmp_path / "turns", acting())).read_text(encoding="utf-8")
    assert "Turns and tools" in text and "Turn by turn" in text and "right with a call" in text.lower()
    text = page.render(synthetic.write(tmp_path / "single", synthetic.summary())).read_text(encoding="utf-8")
    assert "Turns and tools" not in text


@pytest.mark.parametrize("bad", [None, "text", 3, [], {"turns": "x"}, {"turns": [3, {"turn": "a"}, {}]}])
def test_whatever_stands_there_the_page_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bad: Any) -> None:
    synthetic.undrawn(monkeypatch)
    summary = json.loads(json.dumps(acting()))
    summary["episodes"]["base"] = bad
    summary["rounds"][0]["calls"] = bad
    assert page.render(synthetic.write(tmp_path, summary)).is_file()
