"""What an objective is: rows to examples, examples to a summed loss.

The objectives themselves stand beside their judges in `verifiers/learned/<kind>/objective.py`; training knows this
protocol and none of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import PreTrainedModel

from ponder.learning.judged_rows import Example, JudgedRow
from ponder.models.heads import Form, padded, step_logits


class Loss(Protocol):
    """A loss over examples: a sum over all targets, which the learner divides by the sum of their counts.

    `work` is what one trained token costs in token-equivalents of its own model: 3 for a forward and a backward pass,
    more if another model is asked too.
    """

    @property
    def work(self) -> float: ...

    def loss(self, model: PreTrainedModel, examples: Sequence[Example]) -> Tensor: ...


class Objective(Loss, Protocol):
    """A loss that makes its own examples of judged rows.

    `form` and `labels` say which model it trains (`models.heads.judging_model`).
    """

    @property
    def form(self) -> Form: ...

    @property
    def labels(self) -> int: ...

    def examples(self, rows: Sequence[JudgedRow]) -> list[Example]: ...


def located(examples: Sequence[Example], device: torch.device) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Token ids [B, T], row and position [N] of everything that is asked about, targets [M] as they stand."""
    rows = [row for example in examples for row in example.rows]
    places = [places for example in examples for places in example.at]
    at_B = torch.tensor([i for i, some in enumerate(places) for _ in some])
    at_T = torch.tensor([at for some in places for at in some])
    targets = torch.tensor([target for example in examples for target in example.targets], dtype=torch.float32)
    return padded(rows, device), at_B.to(device), at_T.to(device), targets.to(device)


def scored(model: PreTrainedModel, examples: Sequence[Example]) -> tuple[Tensor, Tensor]:
    """Logits [N] at every asked position of a model with a head, and the targets."""
    ids_BT, at_B, at_T, targets = located(examples, model.device)
    return step_logits(model, ids_BT, at_B, at_T).float(), targets


def cross_entropy(model: PreTrainedModel, examples: Sequence[Example]) -> Tensor:
    """Cross entropy, in nats and summed, between the model's score at every asked position and its target in [0, 1]."""
    logits, targets = scored(model, examples)
    return F.binary_cross_entropy_with_logits(logits, targets, reduction="sum")
