"""What the heads of judging models make of hidden states: log-odds, or log-probabilities of tokens.

States come as the trunk's last norm leaves them, so these hold for models whose head is one linear layer on that.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import PreTrainedModel

from ponder.models.heads import head

_ROWS = 512  # rows of logits at once; with a vocabulary of 150,000 these are 300 MB


def log_odds(model: PreTrainedModel, states_NH: Tensor) -> Tensor:
    """What a classification head says of each state [N]: its only output, or the log-odds of label 1 of two."""
    layer = head(model)
    out: Tensor = layer(states_NH.to(next(layer.parameters()).dtype)).float()
    return out[:, 0] if out.shape[-1] == 1 else out[:, 1] - out[:, 0]


def token_logprobs(model: PreTrainedModel, states_NH: Tensor, tokens_N: Tensor) -> Tensor:
    """Log-probability [N] of each token after its state under a causal language model."""
    layer = model.get_output_embeddings()
    found = []
    for states, tokens in zip(states_NH.split(_ROWS), tokens_N.split(_ROWS), strict=True):
        logits = layer(states.to(layer.weight.dtype)).float()
        found.append(logits.gather(-1, tokens[:, None])[:, 0] - logits.logsumexp(-1))
    return torch.cat(found)


def token_odds(model: PreTrainedModel, states_NH: Tensor, yes: int, no: int) -> Tensor:
    """How much likelier `yes` is than `no` after each state [N], in logarithms; two rows of the head and no more."""
    layer = model.get_output_embeddings()
    two = [yes, no]
    bias = getattr(layer, "bias", None)
    logits = F.linear(states_NH.to(layer.weight.dtype), layer.weight[two], None if bias is None else bias[two]).float()
    return logits[:, 0] - logits[:, 1]
