"""Which computed tokens make up which texts: a radix tree of token sequences over the cells of an arena.

An edge carries a run of tokens and their cells; texts that begin alike share the edges of their common beginning, at
any token (RadixAttention, Zheng et al. 2024, section 3). Reading touches a text, and under memory pressure the leaves
that were touched longest ago go first. A row under way holds its cells itself, so an edge may be evicted at any time;
the row puts its text back when it ends.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ponder.engines.local.prefix.arena import NOWHERE, Arena, Cells

Tokens = tuple[int, ...]


@dataclass(eq=False, slots=True)
class Edge:
    """A run of tokens after `parent`, the cell of each, and what follows by its first token."""

    tokens: Tokens
    cells: Cells
    parent: Edge | None
    used: int = 0
    children: dict[int, Edge] = field(default_factory=dict)


class PrefixTree:
    """Texts to cells. Time is counted in calls, so the same calls in the same order leave the same tree."""

    def __init__(self, arena: Arena) -> None:
        self._arena = arena
        self._root = Edge((), np.zeros(0, dtype=np.int64), None)
        self.forget()

    def forget(self) -> None:
        """Start anew; the arena forgets by itself."""
        # Edges point up and down: left as they are, they would wait for the garbage collector, and memory would creep.
        waiting = [self._root]
        while waiting:
            edge = waiting.pop()
            waiting += edge.children.values()
            edge.children.clear()
        self._root = Edge((), np.zeros(0, dtype=np.int64), None)
        self._clock = 0
        self.size = 0  # distinct tokens in the tree

    def match(self, tokens: Tokens) -> Cells:
        """The cells of the longest beginning of `tokens` that is known."""
        self._clock += 1
        edge, at, parts = self._root, 0, [self._root.cells]
        while at < len(tokens) and (child := edge.children.get(tokens[at])):
            child.used = self._clock
            shared = _shared(child.tokens, tokens, at)
            parts.append(child.cells[:shared])
            at += shared
            if shared < len(child.tokens):
                break
            edge = child
        return np.concatenate(parts) if len(parts) > 2 else parts[-1]

    def insert(self, tokens: Tokens, cells: Cells) -> None:
        """Add a text with its cells; where the tree knows a beginning by other cells, the tree's own stay."""
        if (nowhere := np.flatnonzero(cells == NOWHERE)).size:  # there was no memory to keep what follows
            cells = cells[: nowhere[0]]
            tokens = tokens[: nowhere[0]]
        self._clock += 1
        edge, at = self._root, 0
        while at < len(tokens):
            child = edge.children.get(tokens[at])
            if child is None:
                self._add(edge, tokens[at:], cells[at:])
                return
            shared = _shared(child.tokens, tokens, at)
            if shared < len(child.tokens) and at + shared < len(tokens):
                child = self._split(child, shared)
            child.used = self._clock
            edge, at = child, at + shared

    def evict(self, count: int) -> None:
        """Let go of the leaves that were used longest ago until `count` cells are free, or nothing is left."""
        heap = [(leaf.used, i, leaf) for i, leaf in enumerate(self._leaves())]
        heapq.heapify(heap)
        order = len(heap)
        while heap and count > 0:
            _, _, leaf = heapq.heappop(heap)
            parent = leaf.parent
            if parent is None:
                break
            count -= self._arena.uncache(leaf.cells)
            self.size -= len(leaf.tokens)
            del parent.children[leaf.tokens[0]]
            if not parent.children:
                heapq.heappush(heap, (parent.used, order, parent))
                order += 1

    def _leaves(self) -> list[Edge]:
        found, stack = [], [self._root]
        while stack:
            edge = stack.pop()
            if edge.children:
                stack.extend(edge.children.values())
            else:
                found.append(edge)
        return found

    def _add(self, parent: Edge, tokens: Tokens, cells: Cells) -> None:
        parent.children[tokens[0]] = Edge(tokens, cells.copy(), parent, self._clock)
        self._arena.cache(cells)
        self.size += len(tokens)

    def _split(self, edge: Edge, at: int) -> Edge:
        """Cut an edge in two; returns the upper half."""
        upper = Edge(edge.tokens[:at], edge.cells[:at], edge.parent, edge.used, {edge.tokens[at]: edge})
        if edge.parent is not None:
            edge.parent.children[edge.tokens[0]] = upper
        edge.tokens, edge.cells, edge.parent = edge.tokens[at:], edge.cells[at:], upper
        return upper


def _shared(run: Tokens, tokens: Sequence[int], at: int) -> int:
    """How many tokens of `run` agree with `tokens` from `at` on."""
    if tokens[at : at + len(run)] == run:
        return len(run)
    length = min(len(run), len(tokens) - at)
    return next((i for i in range(length) if run[i] != tokens[at + i]), length)
