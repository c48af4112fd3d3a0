"""Rare successes, kept as rows and learned from again.

Where hardly any answer is right, a right one is seen once and forgotten; repeated it weighs more. Off-policy as the
rows are, a loss that compares weighs each token by its ratio to the weights that drew it, and clips what has moved too
far; cloning imitates them as they stand. Degenerate: where nothing is rare, nothing is kept.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from ponder.learning.samples import rows
from ponder.seeds import derive_seed
from ponder.selfplay.selection.settings import Replay
from ponder.types import Credit, Group, Question, Sample


class ReplayBuffer:
    """The newest successes. Everything it knows is in `state()`."""

    def __init__(self, settings: Replay, seed: int) -> None:
        self.settings, self.seed, self.drawn = settings, seed, 0
        self.kept: deque[Sample] = deque(maxlen=settings.capacity)

    def draw(self) -> list[Sample]:
        """Rows for the next update, at most `rows`, none twice."""
        self.drawn += 1
        rng = random.Random(derive_seed("replay", self.seed, self.drawn))
        return rng.sample(list(self.kept), min(self.settings.rows, len(self.kept)))

    def keep(
        self,
        groups: Sequence[Group],
        credits_PG: Sequence[Sequence[Credit]],
        prompt_of: Callable[[Question], Sequence[int]],
    ) -> None:
        """Remember the right answers of groups that were seldom right, if they had a positive advantage."""
        if not self.settings.rows:
            return
        for group, credits_G in zip(groups, credits_PG, strict=True):
            rate = group.solve_rate
            if rate is None or not 0 < rate <= self.settings.below:
                continue
            right = {id(trajectory) for trajectory, outcome in group.judged if outcome > 0.5}
            good = [c for c in credits_G if id(c.trajectory) in right and any(a > 0 for a in c.advantages_T)]
            self.kept.extend(rows([good], prompt_of))

    def state(self) -> dict[str, Any]:
        return {"drawn": self.drawn, "kept": [asdict(sample) for sample in self.kept]}

    def load_state(self, state: Mapping[str, Any]) -> None:
        self.drawn = int(state.get("drawn", 0))
        self.kept = deque(map(_row, state.get("kept", [])), maxlen=self.settings.capacity)


def _row(data: Mapping[str, Any]) -> Sample:
    """A row as JSON left it: lists are tuples again."""
    fields: dict[str, Any] = {n: tuple(value) if isinstance(value, list) else value for n, value in data.items()}
    return Sample(**fields)
