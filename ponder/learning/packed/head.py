"""Log-probability and entropy of chosen tokens from hidden states, a chunk of rows at a time.

log p(y) = z_y - log sum exp z, z = W h / temperature. No tensor of tokens x vocabulary is kept: a chunk's logits are
made again in the backward pass, where d log p(y) / d z = onehot(y) - softmax(z), and d H / d z = -p (log p + H) for the
entropy H where its gradient is asked for. If all tokens fit in one chunk, its
probabilities stay and nothing is computed twice; so memory is bounded by the chunk either way.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from ponder.learning.packed.precision import rounding

# Numbers in the logits of one chunk: 64 MB in float32 on a CPU, and on a GPU 1 GB, where small products waste it.
CHUNK = {"cpu": 2**24, "cuda": 2**28}


def chosen(
    hidden_NH: Tensor,
    weight_VH: Tensor,
    targets_N: Tensor,
    temperature: float,
    rounded: bool = False,
    entropy_gradient: bool = False,
) -> tuple[Tensor, Tensor]:
    """Log-probability [N] of the targets, with gradient, and entropy [N], without unless asked for, both float32.

    `rounded`: see `products`; it touches the gradient alone.
    """
    size = rows(len(weight_VH), weight_VH.device.type)
    logprobs_N, entropy_N = _apply(hidden_NH, weight_VH, targets_N, temperature, size, rounded)
    return logprobs_N, entropy_N if entropy_gradient else entropy_N.detach()


def rows(vocabulary: int, device: str = "cpu") -> int:
    """Tokens in a chunk on this kind of device."""
    return max(1, CHUNK.get(device, CHUNK["cpu"]) // vocabulary)


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
        ctx.set_materialize_grads(False)
        return logprobs, entropy

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor | None, grad_entropy: Tensor | None) -> tuple[Tensor | None, ...]:
        hidden, weight, targets, *whole = ctx.saved_tensors
        grad = None if grad is None else grad / ctx.temperature
        grad_entropy = None if grad_entropy is None else grad_entropy / ctx.temperature
        to_hidden = torch.empty_like(hidden)
        to_weight = torch.zeros_like(weight, dtype=torch.float32)
        for part in _parts(len(targets), ctx.size):
            probs_NV = whole[0] if whole else _log_softmax(hidden[part], weight, ctx.temperature).exp_()
            logits_NV = _to_logits(probs_NV, grad, grad_entropy, targets, part)
            logits_NV = logits_NV.to(hidden.dtype)
            with rounding(ctx.rounded):
                torch.mm(logits_NV, weight, out=to_hidden[part])
                to_weight += logits_NV.mT @ hidden[part]
        return to_hidden, to_weight.to(weight.dtype), None, None, None, None


_apply: Any = _Chosen.apply


def _to_logits(
    probs_NV: Tensor, grad: Tensor | None, grad_entropy: Tensor | None, targets: Tensor, part: slice
) -> Tensor:
    """The gradient by the logits of one chunk; those by its outputs are divided by the temperature already."""
    if grad is None:
        logits_NV = torch.zeros_like(probs_NV)
    else:
        logits_NV = probs_NV * -grad[part, None]
        logits_NV.scatter_add_(1, targets[part, None], grad[part, None])
    if grad_entropy is not None:
        logs_NV = probs_NV.clamp(min=torch.finfo(probs_NV.dtype).tiny).log()
        entropy_N1 = -torch.linalg.vecdot(probs_NV, logs_NV)[:, None]
        logits_NV -= grad_entropy[part, None] * probs_NV * (logs_NV + entropy_N1)
    return logits_NV


def _parts(count: int, size: int) -> list[slice]:
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]


def _log_softmax(hidden: Tensor, weight: Tensor, temperature: float) -> Tensor:
    return torch.log_softmax((hidden @ weight.mT).float() / temperature, dim=-1)
