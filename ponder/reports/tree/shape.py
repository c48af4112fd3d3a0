"""The shape of a tree as it is shown: runs of single children as one branch, and the most promising part of it.

A chain of thought is long and forks seldom, so a reader wants one level of indentation a fork and not one a step: a
`Branch` is a run of steps of which each is the only child that is shown, and its forks. What does not fit is left out
from the least promising end: discarded before kept before chosen, then few visits, then low scores, then late draws.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ponder.reports.tree.data import ROOT, Node

_RANK = {"chosen": 0, "kept": 1, "discarded": 2}


@dataclass(eq=False)
class Branch:
    """A run of steps, the branches that fork at its end, and what is left out along it: branches, steps, best score.

    The branch at the top has no steps: it is the question.
    """

    steps: list[Node] = field(default_factory=list)
    forks: list[Branch] = field(default_factory=list)
    hidden: int = 0
    hidden_steps: int = 0
    hidden_best: float | None = None

    def walk(self) -> Iterator[tuple[int, Branch]]:
        """The branch and all below it with their depths, each before its forks. Not recursive: trees may be deep."""
        waiting = [(0, self)]
        while waiting:
            depth, branch = waiting.pop()
            yield depth, branch
            waiting += [(depth + 1, fork) for fork in reversed(branch.forks)]


def shape(nodes: Sequence[Node], most: int | None = None, *, ranked: bool = False) -> Branch:
    """The tree with its `most` most promising steps (None: all). Parents must come before their children.

    Forks are in the order in which they were drawn, which is still while a tree grows; `ranked`: best first.
    """
    children = children_of(nodes)
    if ranked:
        key = _keys(nodes)
        children = {id: sorted(below, key=lambda node: key[node.id]) for id, below in children.items()}
    shown = {node.id for node in nodes} if most is None else promising(nodes, most)
    top = Branch()
    waiting: list[tuple[Branch, str]] = [(top, ROOT)]
    while waiting:
        branch, at = waiting.pop()
        while True:
            below = children.get(at, [])
            here = [child for child in below if child.id in shown]
            _leave_out(branch, [child for child in below if child.id not in shown], children)
            if len(here) != 1 or at == ROOT:
                break
            branch.steps += here
            at = here[0].id
        branch.forks = [Branch([child]) for child in here]
        waiting += [(fork, fork.steps[0].id) for fork in branch.forks]
    return top


def children_of(nodes: Sequence[Node]) -> dict[str, list[Node]]:
    """The children of each node, by its id, in the order in which they were drawn."""
    children: dict[str, list[Node]] = {}
    for node in nodes:
        children.setdefault(node.parent, []).append(node)
    return children


def promising(nodes: Sequence[Node], most: int) -> set[str]:
    """The ids of the `most` most promising nodes, each with all above it."""
    children, key = children_of(nodes), _keys(nodes)
    waiting = [(key[node.id], node.id) for node in children.get(ROOT, [])]
    heapq.heapify(waiting)
    shown: set[str] = set()
    while waiting and len(shown) < most:
        _, id = heapq.heappop(waiting)
        shown.add(id)
        for child in children.get(id, []):
            heapq.heappush(waiting, (key[child.id], child.id))
    return shown


def _keys(nodes: Sequence[Node]) -> dict[str, tuple[float, ...]]:
    """What nodes are ranked by, the most promising lowest."""
    best = _best(nodes)
    return {node.id: (_RANK[node.state], -node.visits, -best[node.id], at) for at, node in enumerate(nodes)}


def _best(nodes: Sequence[Node]) -> dict[str, float]:
    """The best score at or below each node; -inf where nothing is scored."""
    best: dict[str, float] = {}
    for node in reversed(nodes):
        own = -math.inf if node.shown_score is None else node.shown_score
        best[node.id] = max(own, best.get(node.id, -math.inf))
        best[node.parent] = max(best[node.id], best.get(node.parent, -math.inf))
    return best


def _leave_out(branch: Branch, left: Sequence[Node], children: dict[str, list[Node]]) -> None:
    """Count `left` and all below them as hidden."""
    branch.hidden += len(left)
    waiting = list(left)
    while waiting:
        node = waiting.pop()
        branch.hidden_steps += 1
        score = node.shown_score
        if score is not None:
            branch.hidden_best = score if branch.hidden_best is None else max(score, branch.hidden_best)
        waiting += children.get(node.id, [])
