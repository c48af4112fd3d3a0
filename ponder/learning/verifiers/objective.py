"""What an objective is: rows to examples, examples to a summed loss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor
from transformers import PreTrainedModel

from ponder.learning.verifiers.rows import Example, JudgedRow
from ponder.models.heads import Form, padded, step_logits


class Objective(Protocol):
    """`form` and `labels` say which model it trains (`models.heads.judging_model`).

    `work` is what one trained token costs in token-equivalents of its own model: 3 for a forward and a backward pass,
    more if another model is asked too. `loss` is a sum over all targets; the learner divides by their number.
    """

    @property
    def form(self) -> Form: ...

    @property
    def labels(self) -> int: ...

    @property
    def work(self) -> float: ...

    def examples(self, rows: Sequence[JudgedRow]) -> list[Example]: ...

    def loss(self, model: PreTrainedModel, examples: Sequence[Example]) -> Tensor: ...


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
