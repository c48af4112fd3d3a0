"""The table of `ponder eval --grid`: whole at 80 and at 120 columns, and only the contests that tell something."""

from __future__ import annotations

from typing import Any

import pytest
from rich.console import Console

from ponder.commands import eval_grid
from ponder.evaluation.curves import grid
from ponder.evaluation.curves.grid import Cell


def cell(member: str, train: float, strategy: str, budget: float, think: float, y: float) -> Cell:
    return Cell(member, train, strategy, budget, think, {str(i): ("f", y) for i in range(200)})


CELLS = [
    cell("base", 0, "sample", 1000, 1e6, 0.30),
    cell("base", 0, "weighted_vote", 400, 4e6, 0.31),  # too little gained to be told
    cell("base", 0, "weighted_vote", 1000, 9e6, 0.70),
    cell("round 6", 1e10, "sample", 1000, 1e6, 0.50),
    cell("round 6", 1e10, "weighted_vote", 1000, 9e6, 0.90),
]


def said(data: dict[str, Any], width: int) -> list[str]:
    console = Console(width=width)
    with console.capture() as captured:
        console.print(eval_grid.shown(data, width), highlight=False)
    return captured.get().splitlines()


@pytest.fixture
def data() -> dict[str, Any]:
    return {"notes": ["what training the verifier cost is not counted"], **grid.as_data(CELLS, (100, 1_000_000))}


def test_at_80_columns_who_stands_below_how_good_and_nothing_is_cut(data: dict[str, Any]) -> None:
    lines = said(data, 80)
    assert max(map(len, lines)) <= 80 and not any("…" in line for line in lines)
    at = next(i for i, line in enumerate(lines) if "90.0" in line)
    assert lines[at].split("  ")[-1].strip() == "thinking" and "round 6, weighted vote 1000" in lines[at + 1]


def test_at_120_columns_a_contest_is_one_line(data: dict[str, Any]) -> None:
    lines = said(data, 120)
    assert max(map(len, lines)) <= 120
    assert any("90.0\u00a0% round 6, weighted vote 1000" in line and "50.0\u00a0% round 6" in line for line in lines)


def test_a_contest_that_changes_next_to_nothing_is_left_to_the_file(data: dict[str, Any]) -> None:
    assert any(one["best"]["accuracy"]["y"] == 0.31 for one in data["by_questions"][0]["contests"])
    assert not any("31.0" in line for line in said(data, 120))


def test_what_nobody_can_afford_is_a_dash() -> None:
    dear = {"notes": [], **grid.as_data([cell("base", 1e9, "vote", 1000, 1e6, 0.5)], (10,))}
    assert any(line.split()[1] == "-" for line in said(dear, 80) if "×" in line)
