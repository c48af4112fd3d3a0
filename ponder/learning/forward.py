"""Log-probability and entropy of the trained tokens of a batch; positions that nothing asks about get no logits."""

from __future__ import annotations

import torch
from torch import Tensor
from transformers import PreTrainedModel

from ponder.learning.batches import Batch
from ponder.learning.packed import head, trunk
from ponder.learning.packed.precision import Numbers


def token_logprobs(
    model: PreTrainedModel, batch: Batch, temperature: float = 1.0, numbers: Numbers | None = None
) -> tuple[Tensor, Tensor]:
    """Log-probability [N] of the targets, with gradient, and entropy [N], without, of softmax(logits / temperature).

    `numbers` are those of the layers' products (None: the model's own); the output head stays in the model's, for a
    rounded logit is an error of the log-probability.
    """
    numbers = numbers or Numbers(model.dtype)
    if isinstance(batch.tokens, Tensor):
        # A head of unknown make (soft caps, scales) is the model's own business; micro-batches bound its memory.
        with torch.autocast(model.device.type, numbers.dtype, enabled=numbers.dtype != model.dtype):
            logits_BTV = model(input_ids=batch.tokens, use_cache=False).logits
        return _of_logits(logits_BTV.flatten(0, 1)[batch.positions_N], batch.targets_N, temperature)
    hidden_NH = trunk.hidden_states(model, batch.tokens, batch.positions_N, numbers)
    rounded = numbers.rounded or numbers.dtype != model.dtype
    return head.chosen(hidden_NH, model.get_output_embeddings().weight, batch.targets_N, temperature, rounded)


def _of_logits(logits_NV: Tensor, targets_N: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    logprobs_NV = torch.log_softmax(logits_NV.float() / temperature, dim=-1)
    with torch.no_grad():
        entropy_N = -(logprobs_NV.exp() * logprobs_NV).sum(-1)
    return logprobs_NV.gather(1, targets_N[:, None])[:, 0], entropy_N
