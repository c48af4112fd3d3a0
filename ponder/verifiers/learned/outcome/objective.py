"""Outcome reward model (Cobbe et al., 2110.14168): cross entropy between its score and whether the answer was right.

At the last token (sequence classification), or with `per_token` at every token of the response, each with the outcome
of the whole (token classification; their section 4.2 finds it the better trained). Needs no step labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor
from transformers import PreTrainedModel

from ponder.learning.judged_rows import Example, JudgedRow
from ponder.learning.objective import cross_entropy
from ponder.models.heads import Form


@dataclass(frozen=True)
class Outcome:
    """One number at the end, or two labels at every token."""

    per_token: bool = False
    work: float = 3.0

    @property
    def form(self) -> Form:
        return "token" if self.per_token else "sequence"

    @property
    def labels(self) -> int:
        return 2 if self.per_token else 1

    def examples(self, rows: Sequence[JudgedRow]) -> list[Example]:
        made = []
        for row in rows:
            if row.outcome is not None:
                at = tuple(range(row.start, len(row.tokens))) if self.per_token else (row.last,)
                made.append(Example((row.tokens,), (at,), (row.outcome,) * len(at)))
        return made

    def loss(self, model: PreTrainedModel, examples: Sequence[Example]) -> Tensor:
        return cross_entropy(model, examples)
