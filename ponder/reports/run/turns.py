"""First and last answers of episodes with several turns: the four cells of self-correction, before and after."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ponder.reports import formatting as say
from ponder.reports.run.summary_reader import Summary, at, number, rows

_CELLS = {
    "right_right": "right, right",
    "right_wrong": "right, wrong",
    "wrong_right": "wrong, right",
    "wrong_wrong": "wrong, wrong",
}


def sentences(summary: Summary) -> list[str]:
    """The cells before and after training and what they say; nothing for a run of single turns."""
    known = [row for row in rows(summary, "rounds") if isinstance(at(row, "turns"), Mapping) and at(row, "turns")]
    if not known:
        return []
    return [_line("Self-correction before training", known[0]), _line("Self-correction after training", known[-1])]


def _line(name: str, row: Mapping[str, Any]) -> str:
    cells = ", ".join(f"{label} {say.percent(number(row, 'turns', cell))}" for cell, label in _CELLS.items())
    first, last = number(row, "turns", "first"), number(row, "turns", "last")
    right = f"{say.percent(first)} of first and {say.percent(last)} of last answers are right"
    return f"{name} (first answer, last answer): {cells}; {right}."
