"""Attention and its gradient by attention.cpp: which tensors it serves, and one call each way."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from ponder.learning.packed.layout import Groups
from ponder.models.lean import Shape
from ponder.native.compiler import library, pool
from ponder.types import PonderError

_SOURCE = Path(__file__).with_name("attention.cpp")
_PANEL = 32  # numbers; heads are whole panels of the widest vectors, whatever the machine has

_pointer, _size = ctypes.c_void_p, ctypes.c_int64


class _Work(ctypes.Structure):
    _fields_ = [
        ("key_heads", _size),
        *((name, _pointer) for name in ("qkv", "turns", "out", "sums", "grad", "to_qkv")),
        ("groups", _size),
        *((name, _pointer) for name in ("pieces", "borders")),
    ]


def code(qkv: Tensor, shape: Shape) -> ctypes.CDLL | None:
    """The compiled functions for these tensors; None where they do not serve or cannot be made."""
    return code_for(qkv.device, qkv.dtype, shape)


def code_for(device: torch.device, dtype: torch.dtype, shape: Shape) -> ctypes.CDLL | None:
    """The same, asked before there is a tensor."""
    if device.type != "cpu" or dtype != torch.float32 or shape.head_dim % _PANEL:
        return None
    return library(_SOURCE, (("GROUP", shape.heads // shape.kv_heads), ("HEAD", shape.head_dim)))


class _Attention(Function):
    @staticmethod
    def forward(ctx: Any, qkv: Tensor, turns: Tensor, groups: Groups, shape: Shape, code: ctypes.CDLL) -> Tensor:
        qkv = qkv.contiguous()
        out = qkv.new_empty(len(qkv), shape.heads * shape.head_dim)
        sums, expanded = qkv.new_empty(len(qkv), shape.heads), _expanded(turns)
        _run(code, shape, groups, qkv, expanded, out, sums)
        ctx.save_for_backward(qkv, expanded, sums)
        ctx.groups, ctx.shape, ctx.code = groups, shape, code
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        qkv, turns, sums = ctx.saved_tensors
        grad, to_qkv = grad.contiguous(), torch.empty_like(qkv)
        _run(ctx.code, ctx.shape, ctx.groups, qkv, turns, None, sums, grad, to_qkv)
        return to_qkv, None, None, None, None


def _run(code: ctypes.CDLL, shape: Shape, groups: Groups, *tensors: Tensor | None) -> None:
    addresses = [None if tensor is None else tensor.data_ptr() for tensor in tensors]
    addresses += [None] * (6 - len(addresses))
    parts = (len(groups.borders) - 1, groups.pieces.ctypes.data, groups.borders.ctypes.data)
    work = _Work(shape.kv_heads, *addresses, *parts)
    if code.attention(ctypes.byref(work), pool(), torch.get_num_threads()):
        raise PonderError("no memory for the attention of a batch; lower `micro_tokens`")


def _expanded(turns_N: Tensor) -> Tensor:
    """Rotations [N, 1, D / 2] as [N, 2, D]: cosines twice each, and sines that are negative for the first of a pair."""
    cos, sin = turns_N[:, 0].real, turns_N[:, 0].imag
    pairs = torch.stack([cos, cos], -1), torch.stack([-sin, sin], -1)
    return torch.stack([pair.flatten(1) for pair in pairs], 1)


apply: Any = _Attention.apply  # (qkv, turns, groups, shape, code)
