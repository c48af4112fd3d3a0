"""Tree credit: the value of a node is the mean reward of the answers that run through it (TreeRL, arXiv 2506.11902).

    A_k = whole (V(s_k) - V(root)) + local (V(s_k) - V(parent of s_k))     for the tokens of step k

Groups drawn by a search (`sampling.draws.kind=search`, for example `mcts` or `beam`) share steps, so a step that lies
on several answers gets one advantage instead of a different one in each row. `spread` divides a node's advantage by
the square root of the answers below it, since its tokens stand in so many rows (the paper's weight).

Summed over the rows of a node, the whole part (without `spread`) is what `dr_grpo` gives it: the same gradient with
less noise. Degenerate: where no steps are shared (plain draws) the whole part is exactly `dr_grpo` and the local part
pays the first step alone; equal rewards give zeros.
"""

from __future__ import annotations

from math import fsum, sqrt
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ponder.algorithms.algorithm import Algorithm, Answers, Batch, Credits, each_group
from ponder.algorithms.steps.segments import on_steps
from ponder.types import Step


class Tree(Algorithm):
    """Advantages from the values of the nodes that answers of one search share."""

    kind: Literal["tree"] = "tree"
    whole: Annotated[float, Field(ge=0)] = 1.0
    local: Annotated[float, Field(ge=0)] = 1.0
    spread: bool = True
    source: ClassVar[str] = "TreeRL (arXiv 2506.11902, section 3.3)"

    def credit(self, batch: Batch) -> Credits:
        nodes = [self._values(group) for group in batch.groups_P]
        advantages = [self._group(group, known) for group, known in zip(batch.groups_P, nodes, strict=True)]
        steps = sum(len(answer.trajectory.steps) for answer in batch.answers)
        # 1: no two answers share a step.
        shared = {"steps_per_node": steps / sum(map(len, nodes))} if steps else {}
        return Credits(each_group(batch, advantages), shared)

    def _values(self, group: Answers) -> dict[Step, list[float]]:
        """The rewards of the answers through each node."""
        rewards: dict[Step, list[float]] = {}
        for answer in group.answers_G:
            for step in answer.trajectory.steps:
                rewards.setdefault(step, []).append(answer.reward)
        return rewards

    def _group(self, group: Answers, rewards: dict[Step, list[float]]) -> list[list[float]]:
        everything = group.rewards_G
        if len(set(everything)) <= 1:
            return [[0.0] * len(answer.trajectory) for answer in group.answers_G]
        root = fsum(everything) / len(everything)
        out = []
        for answer in group.answers_G:
            before, advantages_S = root, []
            for step in answer.trajectory.steps:
                value = fsum(rewards[step]) / len(rewards[step])
                advantage = self.whole * (value - root) + self.local * (value - before)
                advantages_S.append(advantage / sqrt(len(rewards[step])) if self.spread else advantage)
                before = value
            out.append(on_steps(answer.trajectory, advantages_S))
        return out
