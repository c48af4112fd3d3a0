"""What one search has let its judge read, and so what a judgement costs it.

A judge on a causal model that keeps what it computed reads each token once: of a trajectory whose beginning was judged
before, the steps after it are all that is new. So a search pays for the question once, for each step (by identity:
siblings share their ancestors) when it is first judged, and for the extras of each verdict. The count is the search's
own: what a cache let go of, or what other problems have asked, changes no cost. A judge that rereads (`Price`) is paid
for question and trajectory with every verdict.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from ponder.protocols import Judge
from ponder.types import Question, Step, Trajectory


class VerifierCost:
    """The reading of `judge` in one search about `question`. Costs are token-equivalents."""

    def __init__(self, judge: Judge, question: Question) -> None:
        self._judge, self._price = judge, judge.price(question)
        self._steps: set[Step] = set()
        self._opened = self._price.rereads

    @property
    def opening(self) -> float:
        """What reading the question will cost, if it is still to be paid apart from trajectories."""
        return 0.0 if self._opened else self._price.question

    def unread(self, trajectory: Trajectory) -> int:
        """How many of its tokens are new to the judge."""
        if self._price.rereads:
            return len(trajectory)
        return sum(len(step.tokens) for step in self._new(trajectory, self._steps))

    def cost(self, trajectories: Sequence[Trajectory]) -> float:
        """What judging exactly these costs now; 0 for none."""
        return self._bill(trajectories, set(self._steps))

    def take(self, trajectories: Sequence[Trajectory]) -> float:
        """The same, and from now on they are read."""
        cost = self._bill(trajectories, self._steps)
        self._opened |= bool(trajectories)
        return cost

    def most(self, tokens: int, new: int) -> float:
        """The most that judging a trajectory of at most `tokens` tokens costs, at most `new` of them unread.

        `opening` comes on top. A step has at least a token, and a trajectory at least a step.
        """
        price = self._price
        reads = price.question + price.token * tokens if price.rereads else price.token * new
        return reads + price.verdict + price.step * max(1, tokens)

    def _bill(self, trajectories: Sequence[Trajectory], read: set[Step]) -> float:
        """What judging these costs after the steps in `read`, which they join."""
        price, new = self._price, 0
        for trajectory in trajectories:
            steps = trajectory.steps if price.rereads else self._new(trajectory, read)
            new += sum(len(step.tokens) for step in steps)
            read.update(steps)
        times = len(trajectories) if price.rereads else int(bool(trajectories) and not self._opened)
        extras = math.fsum(map(self._judge.extra, trajectories))
        return price.question * times + price.token * new + extras

    @staticmethod
    def _new(trajectory: Trajectory, read: set[Step]) -> list[Step]:
        """Its steps that are not in `read`. Who has read a step has read all before it."""
        steps: list[Step] = []
        node: Step | None = trajectory.leaf
        while node is not None and node not in read:
            steps.append(node)
            node = node.parent
        return steps
