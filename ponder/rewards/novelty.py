"""A bonus for right answers that were reached in a way which the rest of the group did not take."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import ClassVar, Literal

from ponder.rewards.component import Component, Graded


class Novelty(Component):
    """Among the right answers of a group, 1 - (share of them with the same text); wrong answers earn 0.

    Keeps several solutions alive where the plain outcome pays only for the most likely one. Degenerate: a single right
    answer, or all of one text, earn 0.
    """

    kind: Literal["novelty"] = "novelty"
    weight: float = 0.1
    source: ClassVar[str] = "the count of like answers in a batch (count-based exploration, arXiv 1606.01868, idea)"

    def pay(self, graded: Graded) -> Sequence[float]:
        texts = [" ".join(trajectory.text.split()) for trajectory in graded.trajectories_G]
        right = Counter(text for text, outcome in zip(texts, graded.outcomes_G, strict=True) if outcome > 0.5)
        return [
            1.0 - right[text] / right.total() if outcome > 0.5 else 0.0
            for text, outcome in zip(texts, graded.outcomes_G, strict=True)
        ]
