"""A search in a terminal: a frame while it runs, and what stays on the screen when it is done."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ponder.reports.tree import plan as tree_plan
from ponder.reports.tree import words
from ponder.reports.tree.data import SearchTree
from ponder.reports.tree.rows import flat, heading, tree_lines
from ponder.reports.tree.shape import shape

_SIGNS = {"kept": ("█", "green"), "discarded": ("▒", "dim"), "verifier": ("▓", "magenta")}
_ANSWERS = 8  # rows in the table of candidates


def frame(tree: SearchTree, width: int, height: int) -> RenderableType:
    """The search as it stands: the budget, the best answer so far, and as much of the tree as fits the window."""
    best = Text.assemble(("best so far  ", "dim"), (flat(tree.answer) if tree.answer else "none yet", "bold"))
    best.truncate(width, overflow="ellipsis")
    lines = tree_lines(tree.nodes, max(3, height - 6), width)
    return Group(_clock(tree, width), meter(tree, width), _key(tree, width), best, heading(tree.nodes, width), *lines)


def outcome(tree: SearchTree, width: int, rows: int = 24) -> RenderableType:
    """What stays: the tree if it forks, the candidates, the chosen steps with their scores, the answer and the bill."""
    parts: list[RenderableType] = []
    if any(len(branch.forks) > 1 for _, branch in shape(tree.nodes).walk()):
        parts += [heading(tree.nodes, width), *tree_lines(tree.nodes, rows, width, ranked=True), Text()]
    rivals = words.candidates(tree)
    if len(rivals) > 1:
        parts += [_table(rivals), Text()]
    if tree.chosen:
        parts += [_steps(tree), Text()]
    answer = words.NO_ANSWER if tree.answer is None else words.clean(tree.answer)
    parts += [Text.assemble(("Answer: ", "bold"), (answer, "bold green" if tree.answer else "bold"))]
    parts += [Text(remark, style="yellow") for remark in words.remarks(tree)]
    parts += [Text(f"Planner: {' '.join(tree_plan.sentences(tree.plan))}")] if tree.plan else []
    return Group(*parts, meter(tree, width), _key(tree, width), Text(words.bill(tree), style="dim"))


def meter(tree: SearchTree, width: int) -> Text:
    """The budget as a bar: what the answer took, what was discarded, what the verifier took, what is left."""
    usage, columns = tree.usage, min(width, 60)
    bar, filled = Text(), 0.0
    for name, (sign, style) in _SIGNS.items():
        start, filled = filled, filled + getattr(usage, name)
        bar.append(sign * (round(columns * filled / tree.budget) - round(columns * start / tree.budget)), style)
    bar.append("·" * (columns - len(bar)), "dim")
    return bar


def line(tree: SearchTree) -> str:
    """The search as it stands in one plain line, for logs and pipes."""
    usage, best = tree.usage, "no answer yet" if tree.answer is None else f"best so far {flat(tree.answer)}"
    spent = f"spent {words.amount(usage.spent)} of {words.amount(tree.budget)}"
    return f"{words.strategy(tree)}: {spent}, {len(tree.nodes)} steps drawn; {best}"


def _key(tree: SearchTree, width: int) -> Text:
    """What the signs of the meter mean, with the amounts."""
    key = Text()
    for name, (sign, style) in _SIGNS.items():
        key.append(f"{sign} ", style).append(f"{words.amount(getattr(tree.usage, name))} {name}   ", "dim")
    key.truncate(width, overflow="ellipsis")
    return key


def _clock(tree: SearchTree, width: int) -> Text:
    usage = tree.usage
    seconds = f"{usage.seconds:.0f} s" + (f" of {tree.seconds:g} s" if tree.seconds else "")
    text = Text.assemble(
        (words.strategy(tree), "bold"),
        f"  spent {words.amount(usage.spent)} of {words.amount(tree.budget)}, left {words.amount(words.left(tree))}",
        (f"  {len(tree.nodes)} steps  {seconds}", "dim"),
    )
    text.truncate(width, overflow="ellipsis")
    return text


def _table(rivals: Sequence[words.Candidate]) -> Table:
    scored = any(row.best is not None for row in rivals)
    table = Table(title=f"{sum(row.votes for row in rivals)} candidates", title_justify="left")
    table.add_column("answer")
    for column in ("votes", "best score")[: 1 + scored]:
        table.add_column(column, justify="right")
    for row in rivals[:_ANSWERS]:
        values = (Text(flat(row.answer)), str(row.votes), words.score(row.best))
        table.add_row(*values[: 2 + scored], style="green" if row.chosen else "")
    if len(rivals) > _ANSWERS:
        others = rivals[_ANSWERS:]
        table.add_row(f"{len(others)} other answers", str(sum(row.votes for row in others)), style="dim")
    return table


def _steps(tree: SearchTree) -> Table:
    """The chosen steps, whole, each with its score if any was scored."""
    grid = Table(box=None, show_header=False, padding=(0, 1, 0, 0), title="Chosen", title_justify="left")
    scored = any(node.shown_score is not None for node in tree.chosen)
    for _ in range(1 + scored):
        grid.add_column(justify="right")
    grid.add_column(overflow="fold")
    for number, node in enumerate(tree.chosen, start=1):
        place = Text("answer" if words.is_answer(node) else str(number), style="dim")
        score = [Text(words.score(node.shown_score), style="cyan")] if scored else []
        grid.add_row(place, *score, Text(words.step_text(node)))
    return grid
