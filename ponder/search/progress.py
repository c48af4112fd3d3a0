"""What can be read of a search while it runs: the best answer so far, the account, and the tree as it grows.

Hand one `Progress` to a strategy's call. It costs nothing that is budgeted and changes no draw. Every change of a node
is told to the observer as the node's whole new state, so an observer keeps a dictionary by id and needs no history.

A node's id is its place: "0.2" is the third child of the root's first child. Places are given in the order in which
calls are made and not in which they come back, so they do not depend on how an engine batches. At the end every node
outside the returned trajectory is `discarded`: the tokens of the others sum to `Usage.kept`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from ponder.types import SearchResult, Step, Trajectory

ROOT = ""


@dataclass(frozen=True, slots=True)
class Node:
    """One step of the tree: its text, how many tokens it took, its last score (None: not scored), visits, and fate."""

    id: str
    parent: str
    text: str
    tokens: int
    score: float | None = None
    visits: int = 0
    discarded: bool = False
    forced: bool = False
    end: bool = False


Observer = Callable[[Node], None]


class Progress:
    """A window on one search. `observer` hears of every node that is new or changed."""

    def __init__(self, observer: Observer | None = None) -> None:
        self.nodes: dict[str, Node] = {}
        self._observer = observer
        self._ids: dict[Step | None, str] = {None: ROOT}
        self._children: dict[str, int] = {}
        self._read: Callable[[], SearchResult] | None = None

    @property
    def best(self) -> SearchResult | None:
        """What the search would return if it ended now; None before it began. Its answer is None until there is one."""
        return None if self._read is None else self._read()

    def attach(self, read: Callable[[], SearchResult]) -> None:
        """Say where the best answer so far is read."""
        self._read = read

    def reserve(self, prefix: Step | None, n: int) -> int:
        """The first of `n` places below `prefix`, held for a call that is about to be made."""
        parent = self._ids[prefix]
        first = self._children.get(parent, 0)
        self._children[parent] = first + n
        return first

    def grew(self, prefix: Step | None, leaves: Sequence[Step], first: int) -> None:
        """The call came back with `leaves`; the steps between `prefix` and each of them are new nodes."""
        for place, leaf in enumerate(leaves, first):
            parent = self._ids[prefix]
            for step in below(prefix, leaf):
                at = place if parent == self._ids[prefix] else 0
                id = f"{parent}.{at}" if parent else str(at)
                self._ids[step] = id
                self._children.setdefault(parent, at + 1)
                self._put(
                    Node(id, parent, step.text, len(step.tokens), forced=step.forced, end=step is leaf and step.is_end)
                )
                parent = id

    def scored(self, leaf: Step, score: float | None) -> None:
        self._change(leaf, score=score)

    def visited(self, step: Step, visits: int) -> None:
        self._change(step, visits=visits)

    def dropped(self, leaves: Sequence[Trajectory]) -> None:
        """These leaves will not be continued."""
        for trajectory in leaves:
            self._change(trajectory.leaf, discarded=True)

    def ended(self, kept: Trajectory | None) -> None:
        """The search returned `kept`: all that is not on its path was discarded, and what is on it was not."""
        path = set() if kept is None else {self._ids.get(step) for step in kept.steps}
        for node in list(self.nodes.values()):
            if node.discarded is (node.id in path):
                self._put(replace(node, discarded=node.id not in path))

    def as_data(self) -> dict[str, Any]:
        """The tree and the present answer as plain data, for JSON; parents come before their children."""
        best = self.best
        nodes = sorted(self.nodes.values(), key=lambda node: [int(part) for part in node.id.split(".")])
        return {
            "question": None if best is None else best.question.text,
            "answer": None if best is None else best.answer,
            "degraded": None if best is None else best.degraded,
            "usage": None if best is None else {**asdict(best.usage), "spent": best.usage.spent},
            "nodes": [asdict(node) for node in nodes],
        }

    def _change(self, step: Step, **what: Any) -> None:
        node = self.nodes.get(self._ids.get(step, ROOT))
        if node is not None:
            self._put(replace(node, **what))

    def _put(self, node: Node) -> None:
        self.nodes[node.id] = node
        if self._observer is not None:
            self._observer(node)


def below(prefix: Step | None, leaf: Step) -> list[Step]:
    """The steps from `prefix` (None: the root; left out) to `leaf`, in order."""
    steps: list[Step] = []
    node: Step | None = leaf
    while node is not None and node is not prefix:
        steps.append(node)
        node = node.parent
    return steps[::-1]
