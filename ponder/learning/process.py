"""Training the step verifier of the loop: cross entropy between its score at step ends and soft labels.

A label says what share of continuations after a step reach a right answer (2312.08935, eq. 3). Each trajectory is one
row; only the positions of labelled step ends enter the loss. The same learner and loss as every other learned verifier,
with rows that are cut to size already.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedModel

from ponder.learning.judged_rows import Example
from ponder.learning.objective import cross_entropy
from ponder.learning.settings import OptimizerSettings
from ponder.learning.verifier_learner import ExampleLearner


@dataclass(frozen=True, slots=True)
class StepRow:
    """Prompt and response tokens of a trajectory; `ends` are positions of labelled step ends, `values` in [0, 1]."""

    id: str
    tokens: tuple[int, ...]
    ends: tuple[int, ...]
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class StepReport:
    """What one pass did: mean cross entropy in nats, labelled steps, tokens forwarded, steps skipped as not finite."""

    loss: float | None
    labels: int
    tokens: int
    skipped: int


class StepEnds:
    """Cross entropy at the labelled step ends, each target counted once."""

    work = 3.0

    def loss(self, model: PreTrainedModel, examples: Sequence[Example]) -> Tensor:
        return cross_entropy(model, examples)


class StepLearner:
    """Trains a step verifier: `batch` labelled trajectories a step."""

    def __init__(self, model: PreTrainedModel, settings: OptimizerSettings | None = None, *, batch: int = 64) -> None:
        self.model = model
        self._learner = ExampleLearner(model, StepEnds(), settings, batch=batch)
        self.core = self._learner.core

    def fit(self, rows: Sequence[StepRow], generator: torch.Generator) -> StepReport:
        """One epoch in random order. A step whose loss or gradient is not finite is skipped and counted."""
        examples = [Example((row.tokens,), (row.ends,), row.values) for row in rows]
        report = self._learner.fit_examples(examples, generator)
        tokens = sum(len(row.tokens) for row in rows)
        return StepReport(report.loss, sum(len(row.ends) for row in rows), tokens, report.skipped)
