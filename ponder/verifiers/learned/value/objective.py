"""Value regression (ReST-MCTS*, 2406.03816): squared error between the score of a prefix and its value.

The score is the logistic of one output, so it stays in [0, 1] as values do. The same labels as the process reward
model; only the loss differs: squared error does not press a score towards 0 or 1 as cross entropy does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor
from transformers import PreTrainedModel

from ponder.learning.judged_rows import Example, JudgedRow
from ponder.learning.objective import scored
from ponder.models.heads import Form
from ponder.verifiers.learned.process.objective import Process


@dataclass(frozen=True)
class Value:
    """Token classification with one output."""

    form: Form = "token"
    labels: int = 1
    work: float = 3.0

    def examples(self, rows: Sequence[JudgedRow]) -> list[Example]:
        return Process().examples(rows)

    def loss(self, model: PreTrainedModel, examples: Sequence[Example]) -> Tensor:
        logits, targets = scored(model, examples)
        return (logits.sigmoid() - targets).square().sum()
