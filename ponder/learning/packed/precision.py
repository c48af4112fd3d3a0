"""In which numbers the products of the layers run.

    model              everything in the model's own type
    bfloat16_backward  the forward pass in the model's type; on the CPU, float32 products of the backward pass round
                       their inputs to bfloat16 and add up in float32
    bfloat16           inputs and outputs of the layers' products in bfloat16, as in `torch.autocast`; weights, residual
                       stream, norms, sums and the output head stay in the model's type, the head's gradient as above

A rounded forward pass moves log-probabilities, and with them the ratio to the sampler, by more than training does in a
step; a rounded backward pass adds about 1 % of noise to the gradient and leaves the loss exact.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

Precision = Literal["model", "bfloat16_backward", "bfloat16"]
# How a weight that was put together for a product is made once more for the backward pass, so that it is not kept.
Again = Callable[[], Tensor] | None


@dataclass(frozen=True)
class Numbers:
    """Type of the products, and whether the backward pass rounds their inputs."""

    dtype: torch.dtype
    rounded: bool = False

    @staticmethod
    def of(precision: Precision, dtype: torch.dtype) -> Numbers:
        return Numbers(torch.bfloat16 if precision == "bfloat16" else dtype, precision == "bfloat16_backward")


@contextmanager
def rounding(on: bool) -> Iterator[None]:
    """Float32 products inside round their inputs to bfloat16 if `on`. A switch of the whole process: keep it short."""
    if not on:
        yield
        return
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


class _Linear(Function):
    """x [N, in], weight [out, in], bias [out] or None -> [N, out]."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, rounded: bool, again: Again = None) -> Tensor:
        ctx.save_for_backward(x, *(() if again else (weight,)))
        ctx.rounded, ctx.biased, ctx.again = rounded, bias is not None, again
        return F.linear(x, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, *kept = ctx.saved_tensors
        weight = kept[0] if kept else ctx.again()
        with rounding(ctx.rounded):
            return grad @ weight, grad.mT @ x, grad.sum(0) if ctx.biased else None, None, None


linear: Any = _Linear.apply  # (x, weight, bias, rounded, again)
