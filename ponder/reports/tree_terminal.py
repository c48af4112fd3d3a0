"""A search tree in a terminal: a live frame while it grows, and what stays on the screen when it is done.

Each row is one step: its score, its visits, a mark and its text. A fork indents, a single step after another does not.
The middle of a long run of steps is folded, and what does not fit is counted where it was left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.cells import cell_len, set_cell_size
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ponder.reports import tree_words as words
from ponder.reports.reading import printable
from ponder.reports.tree_data import Node, SearchTree
from ponder.reports.tree_shape import Branch, shape

MARKS = {"chosen": "✓", "kept": "•", "discarded": "✗"}
STYLES = {"chosen": "bold green", "kept": "", "discarded": "dim"}
_WHOLE = 4  # a run of so many steps is not folded
_ANSWERS = 8  # rows in the table of candidates
_LEFT = 13  # columns of score and visits


def tree_lines(nodes: Sequence[Node], rows: int, width: int, *, ranked: bool = False) -> list[Text]:
    """The tree in at most `rows` lines of at most `width` columns; `ranked` puts the best branch of a fork first."""
    most = rows
    while True:
        lines = list(_lines(shape(nodes, most, ranked=ranked), width))
        if len(lines) <= rows or most <= 1:
            return lines[: max(rows, 1)]
        most -= max(1, (len(lines) - rows) // 2)


def frame(tree: SearchTree, width: int, height: int) -> RenderableType:
    """The search as it stands: the budget, the best answer so far, and as much of the tree as fits the window."""
    best = Text.assemble(("best so far  ", "dim"), (_flat(tree.answer) if tree.answer else "none yet", "bold"))
    best.truncate(width, overflow="ellipsis")
    lines = tree_lines(tree.nodes, max(3, height - 6), width)
    return Group(_clock(tree, width), meter(tree, width), best, _heading(tree, width), *lines)


def outcome(tree: SearchTree, width: int, rows: int = 24) -> RenderableType:
    """What stays: the tree if it forks, the candidates, the chosen steps with their scores, the answer and the bill."""
    parts: list[RenderableType] = []
    if any(len(branch.forks) > 1 for _, branch in shape(tree.nodes).walk()):
        parts += [_heading(tree, width), *tree_lines(tree.nodes, rows, width, ranked=True), Text()]
    rivals = words.candidates(tree)
    if len(rivals) > 1:
        parts += [_table(rivals), Text()]
    if tree.chosen:
        parts += [_steps(tree), Text()]
    answer = words.NO_ANSWER if tree.answer is None else printable(tree.answer)
    parts += [Text.assemble(("Answer: ", "bold"), (answer, "bold green" if tree.answer else "bold"))]
    parts += [Text(remark, style="yellow") for remark in words.remarks(tree)]
    return Group(*parts, meter(tree, width), Text(words.bill(tree), style="dim"))


def meter(tree: SearchTree, width: int) -> Text:
    """The budget as a bar: what the answer took, what was discarded, what the verifier took, what is left."""
    usage, columns = tree.usage, min(width, 60)
    bar, filled = Text(), 0.0
    for value, sign, style in (
        (usage.kept, "█", "green"), (usage.discarded, "▒", "dim"), (usage.verifier, "▓", "magenta"),
    ):  # fmt: skip
        start, filled = filled, filled + value
        bar.append(sign * (round(columns * filled / tree.budget) - round(columns * start / tree.budget)), style)
    bar.append("·" * (columns - len(bar)), "dim")
    return bar


def line(tree: SearchTree) -> str:
    """The search as it stands in one plain line, for logs and pipes."""
    usage, best = tree.usage, "no answer yet" if tree.answer is None else f"best so far {_flat(tree.answer)}"
    spent = f"spent {words.amount(usage.spent)} of {words.amount(tree.budget)}"
    return f"{tree.strategy}: {spent}, {len(tree.nodes)} steps drawn; {best}"


def _clock(tree: SearchTree, width: int) -> Text:
    usage = tree.usage
    seconds = f"{usage.seconds:.0f} s" + (f" of {tree.seconds:g} s" if tree.seconds else "")
    text = Text.assemble(
        (tree.strategy, "bold"),
        f"  spent {words.amount(usage.spent)} of {words.amount(tree.budget)}, left {words.amount(words.left(tree))}",
        (f"  ({words.amount(usage.verifier)} verifier)  {len(tree.nodes)} steps  {seconds}", "dim"),
    )
    text.truncate(width, overflow="ellipsis")
    return text


def _heading(tree: SearchTree, width: int) -> Text:
    states = {node.state for node in tree.nodes}
    legend = "  ".join(f"{MARKS[state]} {state}" for state in MARKS if state in states)
    text = Text(f"score visits  {legend}", style="dim")
    text.truncate(width, overflow="ellipsis")
    return text


def _lines(top: Branch, width: int) -> Iterator[Text]:
    waiting: list[tuple[Branch | str, str, str]] = [(top, "", "")]
    while waiting:
        part, first, rest = waiting.pop()
        if isinstance(part, str):
            yield _row("", "", first, part, "dim", width)
            continue
        yield from _run(part, first, rest, width)
        below: list[Branch | str] = [*part.forks]
        if part.hidden and (part.forks or not part.steps):  # else it stands behind the last step
            below.append(f"… {_hidden(part)}")
        for place, fork in reversed(list(enumerate(below, start=1))):
            last = place == len(below)
            waiting.append((fork, rest + ("└ " if last else "├ "), rest + ("  " if last else "│ ")))


def _hidden(branch: Branch) -> str:
    """What was left out below a branch."""
    more = branch.hidden_steps - branch.hidden
    steps = f", {more} steps below" if more > 1 else ", 1 step below" if more else ""
    best = "" if branch.hidden_best is None else f", best score {words.score(branch.hidden_best)}"
    return f"{branch.hidden} more {'branch' if branch.hidden == 1 else 'branches'}{steps}{best}"


def _run(branch: Branch, first: str, rest: str, width: int) -> Iterator[Text]:
    """The rows of a run of steps; the middle of a long one is folded."""
    steps = branch.steps
    folded = range(1, len(steps) - 1) if len(steps) > _WHOLE else range(0)
    for place, node in enumerate(steps):
        if place in folded:
            if place == folded[0]:
                yield _row("", "", rest, f"⋮ {len(folded)} more steps", "dim", width)
            continue
        visits = str(node.visits) if node.visits else ""
        text = f"{MARKS[node.state]} {_said(node)}"
        leaves_out = branch.hidden and not branch.forks and place == len(steps) - 1
        tail = f"  (… {branch.hidden_steps} more)" if leaves_out else ""
        guide = rest if place else first
        yield _row(words.score(node.shown_score), visits, guide, text, STYLES[node.state], width, tail)


def _said(node: Node) -> str:
    said = _flat(words.step_text(node))
    if node.answer is not None:
        return f"answer {_flat(node.answer)}"
    return f"{said}  (said by force)" if node.forced else said


def _row(score: str, visits: str, guide: str, text: str, style: str, width: int, tail: str = "") -> Text:
    room = max(8, width - _LEFT)
    if len(guide) > room // 2:  # a very deep tree: the nearest forks matter
        guide = "…" + guide[-(room // 2) :]
    left = room - len(guide)
    if cell_len(text) > left - len(tail):
        text = set_cell_size(text, max(1, left - len(tail) - 1)).rstrip() + "…"
    start = (f"{score:>5} {visits:>5}  ", "dim" if score in ("", "–") else "cyan")
    row = Text.assemble(start, (guide, "dim"), (text, style), (tail, "dim"))
    row.truncate(width, overflow="ellipsis")
    return row


def _table(rivals: Sequence[words.Candidate]) -> Table:
    table = Table(title=f"{sum(row.votes for row in rivals)} candidates", title_justify="left")
    for column in ("answer", "votes", "best score"):
        table.add_column(column, justify="left" if column == "answer" else "right")
    for row in rivals[:_ANSWERS]:
        style = "green" if row.chosen else ""
        table.add_row(Text(_flat(row.answer)), str(row.votes), words.score(row.best), style=style)
    if len(rivals) > _ANSWERS:
        others = rivals[_ANSWERS:]
        table.add_row(f"{len(others)} other answers", str(sum(row.votes for row in others)), "", style="dim")
    return table


def _steps(tree: SearchTree) -> Table:
    """The chosen steps, whole, each with its score."""
    grid = Table(box=None, show_header=False, padding=(0, 1, 0, 0), title="Chosen", title_justify="left")
    grid.add_column(justify="right")
    grid.add_column(justify="right")
    grid.add_column(overflow="fold")
    for number, node in enumerate(tree.chosen, start=1):
        place = "answer" if words.is_answer(node) else str(number)
        score = Text(words.score(node.shown_score), style="cyan")
        grid.add_row(Text(place, style="dim"), score, Text(words.step_text(node)))
    return grid


def _flat(text: str) -> str:
    """On one line, and nothing in it that a terminal obeys."""
    return " ".join(printable(text).split()) or "(empty)"
