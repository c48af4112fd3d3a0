"""What `ponder solve` prints."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.text import Text

from ponder.api.thinking.search import Thought
from ponder.reports.tree import page, terminal


def show(thought: Thought, out: Path | None, console: Console) -> None:
    """The tree, the answer, the bill, what is to be known of the answer, and where the files are, for people."""
    console.print(terminal.outcome(thought.tree, console.width), highlight=False)
    if thought.checked:
        console.print("Checked against the question: the answer is right.", style="green")
    for sentence in thought.warnings:
        console.print(Text(f"Warning: {sentence}", style="bold yellow"))
    if thought.unspent:
        console.print(Text(f"Unspent: {thought.unspent}.", style="dim"))
    if out is None:
        console.print("--out FOLDER writes the whole tree as JSON and as a page.", style="dim", highlight=False)
    else:
        console.print(
            f"Tree: {out / page.JSON}   Page: {out / page.PAGE}", markup=False, highlight=False, soft_wrap=True
        )
