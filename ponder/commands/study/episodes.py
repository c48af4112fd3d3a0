"""What `ponder eval --environment` prints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.table import Table


def table(metrics: Mapping[str, Any]) -> Table:
    """A block a strategy and budget, in it a row a turn: accuracy after it, who got there, and the tokens by then.

    The row `all` has the accuracy and what was spent: for a search that is more than the tokens of what it chose.
    """
    acts_in = metrics["environment"]
    title = f"{acts_in['kind']}: {metrics['n']} {metrics['split']} problems, {metrics['model']}"
    shown = Table(title=title, title_justify="left", caption=_note(metrics), caption_justify="left")
    for column in ("episodes", "turn", "right", "95 % interval", "reached", "tokens", "read"):
        shown.add_column(column, justify="left" if column == "episodes" else "right", no_wrap=True)
    for row in metrics["results"]:
        shown.add_section()
        name = row["strategy"] if row["budget"] is None else f"{row['strategy']} at {row['budget']:g}"
        for turn in row["turns"]:
            shown.add_row(
                name if turn["turn"] == 1 else "",
                str(turn["turn"]),
                *_accuracy(turn["accuracy"]),
                f"{100 * turn['reached']:.0f} %",
                f"{turn['tokens']:.0f}",
                f"{turn['read']:.0f}",
            )
        shown.add_row(
            "" if row["turns"] else name,
            "all",
            *_accuracy(row["accuracy"]),
            "",
            f"{row['spent']:.0f}",
            "",
        )
    return shown


def _note(metrics: Mapping[str, Any]) -> str:
    failures: dict[str, int] = {}
    for row in metrics["results"]:
        for name, count in row["failures"].items():
            failures[name] = failures.get(name, 0) + count
    lost = sum(row["lost"] for row in metrics["results"])
    told = [f"{count} {name}" for name, count in failures.items()] + ([f"{lost} runs lost"] if lost else [])
    cut = max((row["cut"] or 0.0 for row in metrics["results"]), default=0.0)
    return f"up to {100 * cut:.1f} % cut by the limit" + (f"; left out: {', '.join(told)}" if told else "")


def _accuracy(found: Mapping[str, float] | None) -> tuple[str, str]:
    if found is None:
        return "-", "-"
    return f"{100 * found['y']:.1f} %", f"{100 * found['low']:.1f} to {100 * found['high']:.1f}"
