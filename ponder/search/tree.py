"""A tree of thought with visit counts, and the two formulas by which a child is selected.

A node is the prefix that ends with its step; the root is the empty prefix. Each visit ends in one node and is counted
in it and in all above it, and the first visit to a node ends there, so `N(parent) = 1 + sum N(children)`. Values are
verifier scores in [0, 1], and so is every mean of them.

A node is closed when nothing new can come of it: it is finished, or all its children are closed. Closed nodes are not
visited again, since a finished text would only say the same score once more.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from ponder.search.session.choose import Candidate
from ponder.types import Step, Trajectory


@dataclass(eq=False)
class TreeNode:
    """`total` is the sum of values backed up through it; `value` its own, None until it has been judged.

    `grown` says that it has been given children to choose from and not merely one on the way of a roll-out; `draws` is
    how many were drawn, equal ones included.
    """

    branch: Trajectory | None
    parent: TreeNode | None = None
    prior: float = 1.0
    children: list[TreeNode] = field(default_factory=list)
    visits: int = 0
    total: float = 0.0
    value: float | None = None
    grown: bool = False
    draws: int = 0
    closed: bool = False

    @property
    def mean(self) -> float:
        """Q: the mean value of the visits; for a node without any, its parent's (and 0.5 where nothing is known)."""
        if self.visits:
            return self.total / self.visits
        return 0.5 if self.parent is None else self.parent.mean

    @property
    def path(self) -> tuple[TreeNode, ...]:
        """The nodes from the root's child to this one."""
        nodes: list[TreeNode] = []
        node = self
        while node.parent is not None:
            nodes.append(node)
            node = node.parent
        return tuple(reversed(nodes))

    def walk(self) -> Iterator[TreeNode]:
        """The node and all below it, parents first, children in the order in which they were drawn."""
        waiting = [self]
        while waiting:
            node = waiting.pop()
            yield node
            waiting += reversed(node.children)

    def close(self) -> None:
        """Nothing new can come of this node, and perhaps of those above it."""
        self.closed = True
        self.close_above()

    def close_above(self) -> None:
        """Close each node above whose children are all closed."""
        node = self.parent
        while node is not None and node.grown and all(child.closed for child in node.children):
            node.closed = True
            node = node.parent


@dataclass
class Tree:
    """One search's tree, what it has finished, from which node each of that comes, and whether it needs no more."""

    root: TreeNode = field(default_factory=lambda: TreeNode(None))
    found: list[Candidate] = field(default_factory=list)
    source: dict[Step, TreeNode] = field(default_factory=dict)
    settled: bool = False

    def add(self, candidates: Sequence[Candidate], node: TreeNode) -> None:
        self.found += candidates
        self.source |= {c.trajectory.leaf: node for c in candidates}

    def candidates(self) -> list[Candidate]:
        """What was found, with the visits on its path as they are now."""
        counts = {leaf: tuple(n.visits for n in node.path) for leaf, node in self.source.items()}
        return [Candidate(c.trajectory, c.answer, c.score, counts.get(c.trajectory.leaf, ())) for c in self.found]


def puct(mean: float, prior: float, parent_visits: int, visits: int, *, init: float, base: float) -> float:
    """AlphaZero's rule: `Q + P * sqrt(N_parent) / (1 + N) * (log((N_parent + base + 1) / base) + init)`."""
    exploration = math.log((parent_visits + base + 1) / base) + init
    return mean + prior * math.sqrt(parent_visits) / (1 + visits) * exploration


def uct(value: float, parent_visits: int, visits: int, *, c: float) -> float:
    """ReST-MCTS*'s rule: `V + c * sqrt(2 ln N_parent / N)`; infinite for a child that was never visited."""
    return value + c * math.sqrt(2 * math.log(parent_visits) / visits) if visits else math.inf


def choose_child(node: TreeNode, score: Callable[[TreeNode], float]) -> TreeNode:
    """The open child with the highest score; equal scores: the higher prior, then the one drawn first."""
    return max((child for child in node.children if not child.closed), key=lambda child: (score(child), child.prior))


def priors(leaves: Sequence[Trajectory]) -> list[float]:
    """The chance of each leaf's last step among its siblings: a softmax of the steps' log-probabilities.

    Uniform where a sampler gives none (not a number).
    """
    logs = [math.fsum(leaf.leaf.logprobs) for leaf in leaves]
    if not all(map(math.isfinite, logs)):
        return [1 / len(leaves)] * len(leaves)
    top = max(logs)
    weights = [math.exp(log - top) for log in logs]
    return [w / math.fsum(weights) for w in weights]
