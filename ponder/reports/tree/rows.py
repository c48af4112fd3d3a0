"""A search tree as rows of text: each step's score, its visits, a mark, and what it says.

A fork indents, a single step after another does not. The middle of a long run of steps is folded, and what does not fit
is counted where it was left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from ponder.reports.tree import words
from ponder.reports.tree.data import Node
from ponder.reports.tree.shape import Branch, shape

MARKS = {"chosen": "✓", "kept": "•", "discarded": "✗"}
STYLES = {"chosen": "bold green", "kept": "", "discarded": "dim"}
_WHOLE = 4  # a run of so many steps is not folded


@dataclass(frozen=True, slots=True)
class Row:
    """One row; `tail` is said behind the text even where the text is cut."""

    guide: str
    text: str
    style: str = "dim"
    score: str = ""
    visits: str = ""
    tail: str = ""

    def drawn(self, width: int, measured: bool) -> Text:
        """The row in `width` columns, with those for score and visits if anything in the tree is `measured`."""
        start = f"{self.score:>5} {self.visits:>5}  " if measured else ""
        room = max(8, width - len(start))
        guide = self.guide
        if len(guide) > room // 2:  # a very deep tree: the nearest forks matter
            guide = "…" + guide[-(room // 2) :]
        left, text = room - len(guide) - len(self.tail), self.text
        if cell_len(text) > left:
            text = set_cell_size(text, max(1, left - 1)).rstrip() + "…"
        colour = "dim" if self.score in ("", words.UNSCORED) else "cyan"
        row = Text.assemble((start, colour), (guide, "dim"), (text, self.style), (self.tail, "dim"))
        row.truncate(width, overflow="ellipsis")
        return row


def tree_lines(nodes: Sequence[Node], most: int, width: int, *, ranked: bool = False) -> list[Text]:
    """The tree in at most `most` lines of at most `width` columns; `ranked` puts the best branch of a fork first."""
    rows, low, high = list(_rows(shape(nodes, 1, ranked=ranked)))[:most], 1, 6 * most
    while low < high:  # the most steps that fit: runs are folded, and what is left out takes lines as well
        middle = (low + high + 1) // 2
        tried = list(_rows(shape(nodes, middle, ranked=ranked)))
        if len(tried) <= most:
            rows, low = tried, middle
        else:
            high = middle - 1
    return [row.drawn(width, measured(nodes)) for row in rows]


def heading(nodes: Sequence[Node], width: int) -> Text:
    """What the columns and the marks mean."""
    states = {node.state for node in nodes}
    legend = "  ".join(f"{MARKS[state]} {state}" for state in MARKS if state in states)
    text = Text(f"score visits  {legend}" if measured(nodes) else legend, style="dim")
    text.truncate(width, overflow="ellipsis")
    return text


def measured(nodes: Sequence[Node]) -> bool:
    """Whether anything was scored or visited."""
    return any(node.visits or node.shown_score is not None for node in nodes)


def flat(text: str) -> str:
    """On one line, and nothing in it that a terminal obeys."""
    return " ".join(words.clean(text).split()) or "(empty)"


def _rows(top: Branch) -> Iterator[Row]:
    waiting: list[tuple[Branch | str, str, str]] = [(top, "", "")]
    while waiting:
        part, first, rest = waiting.pop()
        if isinstance(part, str):
            yield Row(first, part)
            continue
        yield from _run(part, first, rest)
        below: list[Branch | str] = [*part.forks]
        if part.hidden and (part.forks or not part.steps):  # else it stands behind the last step
            below.append(f"… {_hidden(part)}")
        for place, fork in reversed(list(enumerate(below, start=1))):
            last = place == len(below)
            waiting.append((fork, rest + ("└ " if last else "├ "), rest + ("  " if last else "│ ")))


def _run(branch: Branch, first: str, rest: str) -> Iterator[Row]:
    """The rows of a run of steps; the middle of a long one is folded."""
    steps = branch.steps
    folded = range(1, len(steps) - 1) if len(steps) > _WHOLE else range(0)
    for place, node in enumerate(steps):
        if place not in folded:
            visits = str(node.visits) if node.visits else ""
            leaves_out = branch.hidden and not branch.forks and place == len(steps) - 1
            tail = f"  (… {branch.hidden_steps} more)" if leaves_out else ""
            text = f"{MARKS[node.state]} {_said(node)}"
            guide = rest if place else first
            yield Row(guide, text, STYLES[node.state], words.score(node.shown_score), visits, tail)
        elif place == folded[0]:
            yield Row(rest, f"⋮ {len(folded)} more steps")


def _hidden(branch: Branch) -> str:
    """What was left out below a branch."""
    more = branch.hidden_steps - branch.hidden
    steps = f", {more} steps below" if more > 1 else ", 1 step below" if more else ""
    best = "" if branch.hidden_best is None else f", best score {words.score(branch.hidden_best)}"
    return f"{branch.hidden} more {'branch' if branch.hidden == 1 else 'branches'}{steps}{best}"


def _said(node: Node) -> str:
    if node.answer is not None:
        return f"answer {flat(node.answer)}"
    said = flat(words.step_text(node))
    return f"{said}  (said by force)" if node.forced else said
