"""`ponder problems list` and `show`, as tables and text for people."""

from __future__ import annotations

from typing import Any

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text


def families(rows: list[dict[str, Any]]) -> Table:
    """One row a family: spec, what it is, its parameters with defaults, a sample."""
    shown = Table(title="Problem families", title_justify="left")
    for column in ("spec", "what it is", "parameters", "for example"):
        shown.add_column(column, overflow="fold")
    for row in rows:
        if "refused" in row:
            shown.add_row(row["spec"], Text(f"refused: {row['refused']}", style="dim"), "", "")
            continue
        parameters = ", ".join(f"{name}={value}" for name, value in row["parameters"].items())
        shown.add_row(row["spec"], row["summary"], parameters, row.get("sample") or "")
    return shown


def problems(data: dict[str, Any]) -> RenderableType:
    """Questions with their keys and, where the family has them, a demonstration."""
    panels: list[RenderableType] = [Text(f"{data['name']}, level {data['level']}", style="bold")]
    for problem in data["problems"]:
        body = Text(problem["question"])
        if problem["answer"] is not None:
            body.append(f"\n\nkey: {problem['answer']}", style="green")
        if problem["demonstration"]:
            body.append(f"\n\na demonstration:\n{problem['demonstration']}", style="dim")
        panels.append(Panel(body, title=problem["id"], title_align="left", expand=False))
    return Group(*panels)
