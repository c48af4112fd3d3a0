"""Implicit process reward (2412.01981, PRIME 2502.01456): a causal model whose log-ratio to a reference is the reward.

    r_t = beta * log(p(y_t) / p_ref(y_t))        loss: cross entropy of sigma(sum_t r_t) against the outcome

Trained on outcomes alone, yet every token gets a reward and every prefix a score. Model equal to reference: all
rewards are 0 and the score is 1/2. Updating it on fresh outcomes after every policy update is calling `fit` again.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import PreTrainedModel

from ponder.learning.judged_rows import Example, JudgedRow
from ponder.learning.objective import located
from ponder.models.heads import Form, token_logprobs


class Implicit:
    """A causal language model against a frozen `reference`, which stays as it is handed in."""

    form: Form = "causal"
    labels: int = 0
    work: float = 4.0  # forward and backward, and the reference's forward

    def __init__(self, reference: PreTrainedModel, beta: float = 0.05) -> None:
        self.reference, self.beta = reference, beta

    def examples(self, rows: Sequence[JudgedRow]) -> list[Example]:
        return [
            Example((row.tokens,), (tuple(range(row.start, len(row.tokens))),), (row.outcome,))
            for row in rows
            if row.outcome is not None
        ]

    def loss(self, model: PreTrainedModel, examples: Sequence[Example]) -> Tensor:
        ids_BT, at_B, at_T, targets = located(examples, model.device)
        with torch.no_grad():
            reference_N = token_logprobs(self.reference, ids_BT, at_B, at_T)
        rewards_N = self.beta * (token_logprobs(model, ids_BT, at_B, at_T) - reference_N)
        logits_B = torch.zeros(len(examples), device=model.device).index_add(0, at_B, rewards_N)
        return F.binary_cross_entropy_with_logits(logits_B, targets, reduction="sum")
