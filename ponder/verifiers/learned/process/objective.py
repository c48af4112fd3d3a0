"""Process reward model: cross entropy at step ends, on hard or soft labels (2312.08935, equation 3).

Soft labels are the share of successful continuations. Hard ones are 1 if any continuation succeeded (2501.07301 finds
the threshold at 0 best). Labels of correctness end at the first wrong step in every label file already. A row without
labels but with an outcome is trained on at its last step: that label is free.
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
class Process:
    """Token classification with two labels; its score is the log-odds of "right"."""

    hard: bool = False
    form: Form = "token"
    labels: int = 2
    work: float = 3.0

    def examples(self, rows: Sequence[JudgedRow]) -> list[Example]:
        found = [(row, self._labels(row)) for row in rows]
        return [
            Example((row.tokens,), (tuple(at for at, _ in labels),), tuple(value for _, value in labels))
            for row, labels in found
            if labels
        ]

    def loss(self, model: PreTrainedModel, examples: Sequence[Example]) -> Tensor:
        return cross_entropy(model, examples)

    def _labels(self, row: JudgedRow) -> list[tuple[int, float]]:
        labels = step_labels(row)
        return [(at, float(value > 0)) for at, value in labels] if self.hard else labels


def step_labels(row: JudgedRow) -> list[tuple[int, float]]:
    """The labelled step ends, or the outcome at the last one."""
    if row.labelled or row.outcome is None:
        return row.labelled
    return [(row.last, row.outcome)]
