"""A coin as reward: the control that any claim about a reward has to beat.

Some models gain from a reward that says nothing, because clipping and sampling sharpen what they do already (Spurious
Rewards, arXiv 2506.10947: +21 points on MATH-500 for Qwen2.5-Math-7B, nothing for Llama and OLMo). What a run gains
with this reward is no merit of the true one.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ponder.rewards.component import Component, Graded
from ponder.seeds import derive_seed


class Random(Component):
    """1 with probability `chance`, else 0, whatever the answer: a control. The coin is a hash of seed and answer."""

    kind: Literal["random"] = "random"
    chance: Annotated[float, Field(ge=0, le=1)] = 0.5
    seed: Annotated[int, Field(ge=0)] = 0
    source: ClassVar[str] = "Spurious Rewards (arXiv 2506.10947, section 2)"

    def pay(self, graded: Graded) -> Sequence[float]:
        return [
            float(self._draw(graded.id, index, trajectory.tokens) < self.chance)
            for index, trajectory in enumerate(graded.trajectories_G)
        ]

    def _draw(self, problem: str, index: int, tokens: tuple[int, ...]) -> float:
        return random.Random(derive_seed("random reward", self.seed, problem, index, tokens)).random()
