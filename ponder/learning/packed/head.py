"""Log-probability and entropy of chosen tokens from hidden states, a chunk of rows at a time.

log p(y) = z_y - log sum exp z, z = W h / temperature. No tensor of tokens x vocabulary is kept: a chunk's logits are
made again in the backward pass, where d log p(y) / d z = onehot(y) - softmax(z). If all tokens fit in one chunk, its
probabilities stay and nothing is computed twice; so memory is bounded by the chunk either way.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from ponder.learning.packed.precision import rounding

# Numbers in the logits of one chunk: 64 MB in float32.
CHUNK = 2**24


def chosen(
    hidden_NH: Tensor, weight_VH: Tensor, targets_N: Tensor, temperature: float, rounded: bool = False
) -> tuple[Tensor, Tensor]:
    """Log-probability [N] of the targets, with gradient, and entropy [N], without, both float32.

    `rounded`: see `products`; it touches the gradient alone.
    """
    logprobs_N, entropy_N = _apply(hidden_NH, weight_VH, targets_N, temperature, rows(len(weight_VH)), rounded)
    return logprobs_N, entropy_N


def rows(vocabulary: int) -> int:
    """Tokens in a chunk."""
    return max(1, CHUNK // vocabulary)


class _Chosen(Function):
    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, targets: Tensor, temperature: float, size: int, rounded: bool
    ) -> tuple[Tensor, Tensor]:
        logprobs, entropy = (
            torch.empty_like(targets, dtype=torch.float32),
            torch.empty_like(targets, dtype=torch.float32),
        )
        whole = None
        for part in _parts(len(targets), size):
            all_NV = _log_softmax(hidden[part], weight, temperature)
            logprobs[part] = all_NV.gather(1, targets[part, None])[:, 0]
            probs_NV = all_NV.exp()
            entropy[part] = -torch.linalg.vecdot(probs_NV, all_NV)
            whole = probs_NV if len(targets) <= size else None
        ctx.save_for_backward(hidden, weight, targets, *([] if whole is None else [whole]))
        ctx.temperature, ctx.size, ctx.rounded = temperature, size, rounded
        ctx.mark_non_differentiable(entropy)
        return logprobs, entropy

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        hidden, weight, targets, *whole = ctx.saved_tensors
        to_hidden = torch.empty_like(hidden)
        to_weight = torch.zeros_like(weight, dtype=torch.float32)
        for part in _parts(len(targets), ctx.size):
            probs_NV = whole[0] if whole else _log_softmax(hidden[part], weight, ctx.temperature).exp_()
            scaled = (grad[part] / ctx.temperature)[:, None]
            logits_NV = probs_NV * -scaled
            logits_NV.scatter_add_(1, targets[part, None], scaled)
            logits_NV = logits_NV.to(hidden.dtype)
            with rounding(ctx.rounded):
                torch.mm(logits_NV, weight, out=to_hidden[part])
                to_weight += logits_NV.mT @ hidden[part]
        return to_hidden, to_weight.to(weight.dtype), None, None, None, None


_apply: Any = _Chosen.apply


def _parts(count: int, size: int) -> list[slice]:
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]


def _log_softmax(hidden: Tensor, weight: Tensor, temperature: float) -> Tensor:
    return torch.log_softmax((hidden @ weight.mT).float() / temperature, dim=-1)
