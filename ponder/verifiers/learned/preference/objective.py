"""Preference reward model: Bradley-Terry on a right and a wrong trajectory of one problem, as in RLHF (2203.02155).

Loss: -log sigma(r(right) - r(wrong)), log 2 at equal scores. A problem whose trajectories are all right or all wrong
teaches nothing, and only differences are learned: the score has no zero, so it is not calibrated across problems.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor
from transformers import PreTrainedModel

from ponder.learning.judged_rows import Example, JudgedRow
from ponder.models.heads import Form
from ponder.verifiers.learned.common.pairs import contrasts, pair_loss, pair_of


@dataclass(frozen=True)
class Preference:
    """Sequence classification with one output; an example is a pair, the better row first."""

    form: Form = "sequence"
    labels: int = 1
    work: float = 3.0

    def examples(self, rows: Sequence[JudgedRow]) -> list[Example]:
        valued: dict[str, list[tuple[float, int]]] = {}
        for i, row in enumerate(rows):
            if row.outcome is not None:
                valued.setdefault(row.problem, []).append((row.outcome, i))
        pairs = [pair for some in valued.values() for pair in contrasts(some)]
        return [pair_of(rows[a].tokens, rows[a].last, rows[b].tokens, rows[b].last, 1.0) for a, b in pairs]

    def loss(self, model: PreTrainedModel, examples: Sequence[Example]) -> Tensor:
        return pair_loss(model, examples)
