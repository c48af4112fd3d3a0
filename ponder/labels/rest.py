"""ReST-MCTS* values (arXiv 2406.03816; its code, not its text, fixes the sign): progress towards an answer.

    v_k = max(0, v_{k-1} + (1 - v_{k-1}) * w / m),    v_0 = 0

m is the number of steps from s_{k-1} to the nearest end, this step included; w is +1 where a right end can be reached,
else -1. Along a path of K right steps v_k = k / K, and a wrong path stays at 0. In a tree of trajectories that share
beginnings the nearest *right* end counts if there is one: a step that leaves the right path is where a value falls.

Needs no rollouts beyond the tree itself. A tree without a right end has only zeros; the values say how far along a
step is, not how probable a right answer is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ponder.labels.labelled import Labelled
from ponder.labels.rollouts import Prefix
from ponder.types import Group, StepLabel, Trajectory

_FAR = 10**9


@dataclass(slots=True)
class Node:
    """What lies below a prefix: ends, and steps to the nearest right and to the nearest end at all."""

    ends: int = 0
    to_right: int = _FAR
    to_end: int = _FAR


def rest_values(group: Group) -> list[Labelled]:
    """Every step of every judged trajectory with its value; `rollouts` is the number of ends below it."""
    nodes = _tree(group.judged)
    return [Labelled(trajectory, tuple(_path(prefixes(trajectory), nodes))) for trajectory, _ in group.judged]


def _path(prefixes_S: Sequence[Prefix], nodes: dict[Prefix, Node]) -> list[StepLabel]:
    labels: list[StepLabel] = []
    value = 0.0
    for k, prefix in enumerate(prefixes_S):
        node = nodes[prefix]
        right = node.to_right < _FAR
        left = (node.to_right if right else node.to_end) + 1
        value = max(0.0, value + (1 - value) * (1 if right else -1) / left)
        labels.append(StepLabel(k, value, node.ends))
    return labels


def _tree(judged: Sequence[tuple[Trajectory, float]]) -> dict[Prefix, Node]:
    nodes: dict[Prefix, Node] = {}
    for trajectory, outcome in judged:
        path = prefixes(trajectory)
        for k, prefix in enumerate(path):
            node = nodes.setdefault(prefix, Node())
            left = len(path) - 1 - k
            node.ends += 1
            node.to_end = min(node.to_end, left)
            if outcome == 1.0:
                node.to_right = min(node.to_right, left)
    return nodes


def prefixes(trajectory: Trajectory) -> list[Prefix]:
    """The tokens up to the end of each step."""
    tokens: Prefix = ()
    found = []
    for step in trajectory.steps:
        tokens += step.tokens
        found.append(tokens)
    return found
