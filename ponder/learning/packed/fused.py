"""Parts of a layer whose gradient is written out, so that less is kept and fewer passes go over memory.

They are `torch.autograd.Function`s over tokens [N, ...]; sums are in float32 whatever the type of what goes in. In
float32 on the CPU the passes between products are compiled (`native/rows`), one over memory where torch's operations
take several.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from ponder.learning.packed.native import rows
from ponder.learning.packed.precision import Again, rounding

# Numbers of one intermediate that stay in a core's cache between two products.
_CACHED = 2**19
LARGE = 2**20  # bytes of weights that are worth making twice
_silu_backward = torch.ops.aten.silu_backward.grad_input


class _Norm(Function):
    """x / sqrt(mean(x^2) + epsilon) (RMSNorm, arXiv 1910.07467, without its weight) in `dtype`; only that is kept."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, epsilon: float, dtype: torch.dtype) -> Tensor:
        ctx.dtype = x.dtype
        if dtype == x.dtype and (code := rows.code(x)):
            normed, length = rows.norm(code, x, epsilon)
            ctx.save_for_backward(normed, length)
            return normed
        x = x.float()
        size = x.shape[-1] ** 0.5
        shortest = x.new_tensor(size * epsilon**0.5)
        length = torch.hypot(torch.linalg.vector_norm(x, dim=-1, keepdim=True), shortest) / size
        y: Tensor = (x / length).to(dtype)
        ctx.save_for_backward(y, length)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        y, length = ctx.saved_tensors
        if length.dim() == 1 and (code := rows.code(y)):
            return rows.norm_back(code, grad.contiguous(), y, length), None, None
        grad, y = grad.float(), y.float()
        along = torch.linalg.vecdot(grad, y).unsqueeze(-1) / -y.shape[-1]
        return torch.addcmul(grad, y, along).div_(length).to(ctx.dtype), None, None


class _GatedMLP(Function):
    """down(silu(gate(x)) * up(x)) (SwiGLU, arXiv 2002.05202); keeps x and the gate beside up, [N, 2I].

    A span of tokens goes through all of it before the next one, so that what lies between two products stays in the
    cache. `gate_up` is [2I, in], `down` [out, I]; `again` makes `gate_up` once more, which is then not kept.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, gate_up: Tensor, down: Tensor, rounded: bool, again: Again = None) -> Tensor:
        both, out = x.new_empty(len(x), len(gate_up)), x.new_empty(len(x), len(down))
        code = rows.code(both, down)
        for span in _spans(len(x), len(gate_up)):
            some = torch.mm(x[span], gate_up.mT, out=both[span])
            torch.mm(_gated(some, code), down.mT, out=out[span])
        ctx.save_for_backward(x, down, both, *(() if again else (gate_up,)))
        ctx.rounded, ctx.again = rounded, again
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, down, both, *kept = ctx.saved_tensors
        gate_up = kept[0] if kept else ctx.again()
        to_both, gated = torch.empty_like(both), x.new_empty(len(x), down.shape[1])
        code = rows.code(both, down)
        with rounding(ctx.rounded):
            for span in _spans(len(x), len(gate_up)):
                _gated_back(both[span], grad[span] @ down, to_both[span], gated[span], code)
            return to_both @ gate_up, to_both.mT @ x, grad.mT @ gated, None, None


def _gated(both: Tensor, code: ctypes.CDLL | None) -> Tensor:
    """silu(gate) * up [n, I]."""
    if code is not None:
        return rows.gate(code, both, both.new_empty(len(both), both.shape[1] // 2))
    gate, up = both.chunk(2, dim=-1)
    return F.silu(gate).mul_(up)


def _gated_back(both: Tensor, grad: Tensor, to_both: Tensor, gated: Tensor, code: ctypes.CDLL | None) -> None:
    """The gradient of `both` from that of the gated (which is spoilt), and the gated."""
    if code is not None:
        rows.gate_back(code, both, grad, to_both, gated)
        return
    (gate, up), (to_gate, to_up) = both.chunk(2, dim=-1), to_both.chunk(2, dim=-1)
    opened = F.silu(gate)
    torch.mul(opened, up, out=gated)
    torch.mul(opened, grad, out=to_up)
    _silu_backward(grad.mul_(up), gate, grad_input=to_gate)


def _spans(count: int, width: int) -> Iterator[slice]:
    step = max(64, _CACHED // width)
    return (slice(start, min(start + step, count)) for start in range(0, count, step))


class _Stacked(Function):
    """Weights [out_i, in] one above the other, rows in `order` (None: as they are), columns times `norm` [in].

    W (norm * x) = (W * norm) x: a pass over the weights instead of one over the tokens. The result is in `dtype`;
    nothing is kept but the weights themselves.
    """

    @staticmethod
    def forward(ctx: Any, norm: Tensor, order: Tensor | None, dtype: torch.dtype, *weights: Tensor) -> Tensor:
        ctx.save_for_backward(norm, *weights)
        ctx.order = order
        return _stack(norm, order, dtype, *weights)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        norm, *weights = ctx.saved_tensors
        grad = grad.to(norm.dtype)
        if ctx.order is not None:
            grad = torch.empty_like(grad).index_copy_(0, ctx.order, grad)
        parts = grad.split([len(w) for w in weights])
        to_norm = torch.stack([(part * w).sum(0) for part, w in zip(parts, weights, strict=True)]).sum(0)
        return to_norm, None, None, *(part * norm for part in parts)


def _stack(norm: Tensor, order: Tensor | None, dtype: torch.dtype, *weights: Tensor) -> Tensor:
    stacked = torch.cat(weights) * norm
    return (stacked if order is None else stacked[order]).to(dtype)


def stacked(norm: Tensor, order: Tensor | None, dtype: torch.dtype, *weights: Tensor) -> tuple[Tensor, Again]:
    """Weights [out_i, in] one above the other, and how they are put together once more (None: keep them).

    Large ones are a second copy of the layers for as long as a backward pass is awaited; making them anew costs a
    pass over memory and gives the same bits, for weights do not change between the two passes.
    """
    made: Tensor = _stacked(norm, order, dtype, *weights)
    if made.nbytes < LARGE:
        return made, None
    held = [weight.detach() for weight in (norm, *weights)]
    return made, lambda: _stack(held[0], order, dtype, *held[1:])


# torch leaves `apply` without types: (x, epsilon, dtype), (x, gate_up, down, rounded, again),
# (norm, order, dtype, *weights).
norm: Any = _Norm.apply
gated_mlp: Any = _GatedMLP.apply
_stacked: Any = _Stacked.apply
