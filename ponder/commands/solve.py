"""What `ponder solve` prints."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from ponder.api.thinking.search import Solved
from ponder.reports.tree import page, terminal


def show(solved: Solved, out: Path | None, console: Console) -> None:
    """The tree, the answer, the bill and where the files are, for people."""
    console.print(terminal.outcome(solved.tree, console.width), highlight=False)
    if out is None:
        console.print("--out FOLDER writes the whole tree as JSON and as a page.", style="dim", highlight=False)
    else:
        console.print(
            f"Tree: {out / page.JSON}   Page: {out / page.PAGE}", markup=False, highlight=False, soft_wrap=True
        )
