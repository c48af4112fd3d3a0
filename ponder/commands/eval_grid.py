"""What `ponder eval --grid` prints."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ponder.reports import formatting as say

TITLE = "More training or more thinking, at equal total work"


LEFT_OUT = "training: one plain answer of a policy; thinking: the least trained policy; grid.json has every contest"


LEAST_GAIN = 0.05


ONE_LINE = 100  # columns from which a policy stands beside its accuracy and not below


def shown(data: dict[str, Any], width: int) -> RenderableType:
    """Who wins as the total work grows, a block for each number of questions; at most `width` columns, at least 80.

    A contest is left out where nobody else gets ahead and the best gained fewer than five points since the last row.
    """
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False, title=TITLE)
    table.title_justify = "left"
    for column in ("questions\nFLOPs", "\ntraining", "\nthinking", "\nbest of all", "\nahead"):
        table.add_column(column, justify="right" if "FLOPs" in column else "left", overflow="fold")
    for level in data["by_questions"]:
        table.add_section()
        table.add_row(Text(f"{level['questions']:,}", style="bold"))
        for one in _telling(level["contests"]):
            table.add_row(say.power(one["flops"]), *_cells_of(one, "\n" if width < ONE_LINE else " "), one["winner"])
    return Group(table, *(Text(f"{note[0].upper()}{note[1:]}.", style="dim") for note in (LEFT_OUT, *data["notes"])))


def _telling(contests: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The contests in which something happens, the last one always."""
    kept = list(contests[:1])
    for one in contests[1:]:
        gained = _accuracy(one["best"]) - _accuracy(kept[-1]["best"])
        if one["winner"] != kept[-1]["winner"] or gained >= LEAST_GAIN or one is contests[-1]:
            kept.append(one)
    return kept


def _accuracy(cell: dict[str, Any] | None) -> float:
    return 0.0 if cell is None else float(cell["accuracy"]["y"])


def _cells_of(one: dict[str, Any], between: str) -> Iterator[str]:
    """Training alone is a member's plain answer, thinking alone the least trained member: each names what varies."""
    names: tuple[tuple[str, Callable[[dict[str, Any]], str]], ...] = (
        ("training", lambda cell: str(cell["member"])),
        ("thinking", _thought),
        ("best", lambda cell: f"{cell['member']}, {_thought(cell)}"),
    )
    for key, said in names:
        pick = one[key]
        chosen = [] if pick is None else list(dict.fromkeys(said(cell) for cell in pick["chosen"]))
        yield "-" if pick is None else f"{say.percent(_accuracy(pick))}{between}{' or '.join(chosen)}"


def _thought(cell: dict[str, Any]) -> str:
    return f"{say.human(cell['strategy'])} {cell['budget']:g}"
