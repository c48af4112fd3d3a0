"""Log-probability and entropy of chosen tokens, without ever holding logits for positions that nothing asks about.

The output head is applied to the trained positions only. With a large vocabulary even those are taken in chunks whose
logits are computed again in the backward pass, so that memory grows with the chunk and not with tokens x vocabulary.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedModel

from ponder.models import lean

# Numbers in the logits of one chunk: 64 MB in float32.
_CHUNK = 2**24


def token_logprobs(
    model: PreTrainedModel, ids_BT: Tensor, positions_N: Tensor, targets_N: Tensor, temperature: float = 1.0
) -> tuple[Tensor, Tensor]:
    """Log-probability [N] of the targets, with gradient, and entropy [N], without, of softmax(logits / temperature).

    `ids_BT` are right-padded rows; `positions_N` index the flattened [B * T] and name the token before each target.
    """
    if not lean.supports(model):
        # A head of unknown make (soft caps, scales) is the model's own business; micro-batches bound its memory.
        logits_NV = model(input_ids=ids_BT, use_cache=False).logits.flatten(0, 1)[positions_N]
        return _of_logits(logits_NV, targets_N, temperature)
    hidden_N = lean.hidden_states(model, ids_BT).flatten(0, 1).index_select(0, positions_N)
    head = model.get_output_embeddings()
    rows = max(1, _CHUNK // head.weight.shape[0])
    if len(positions_N) <= rows:
        return _of_logits(head(hidden_N), targets_N, temperature)

    def part(hidden: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        return _of_logits(head(hidden), targets, temperature)

    parts = [
        checkpoint(part, hidden, targets, use_reentrant=False)
        for hidden, targets in zip(hidden_N.split(rows), targets_N.split(rows), strict=True)
    ]
    return torch.cat([p[0] for p in parts]), torch.cat([p[1] for p in parts])


def _of_logits(logits_NV: Tensor, targets_N: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    logprobs_NV = F.log_softmax(logits_NV.float() / temperature, dim=-1)
    with torch.no_grad():
        entropy_N = -(logprobs_NV.exp() * logprobs_NV).sum(-1)
    return logprobs_NV.gather(1, targets_N[:, None])[:, 0], entropy_N
