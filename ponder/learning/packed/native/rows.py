"""The passes of rows.cpp over float32 rows on the CPU, with what torch does where they do not serve."""

from __future__ import annotations

import ctypes
from pathlib import Path

import torch
from torch import Tensor

from ponder.native.compiler import library, pool

_SOURCE = Path(__file__).with_name("rows.cpp")
_LANES = 16  # numbers; rows are whole vectors of the widest kind, whatever the machine has

_pointer, _size = ctypes.c_void_p, ctypes.c_int64


def code(*rows: Tensor) -> ctypes.CDLL | None:
    """The compiled passes for these tensors; None where they do not serve or cannot be made."""
    for some in rows:
        on_cpu = some.device.type == "cpu" and some.dtype == torch.float32 and some.is_contiguous()
        if not on_cpu or some.shape[-1] % _LANES:
            return None
    return library(_SOURCE)


def norm(code: ctypes.CDLL, x: Tensor, epsilon: float) -> tuple[Tensor, Tensor]:
    """X [N, H] over the root of its mean square, and that root [N]."""
    y, length = torch.empty_like(x), x.new_empty(len(x))
    _call(code.norm_rows, x, ctypes.c_float(epsilon), x, y, length)
    return y, length


def norm_back(code: ctypes.CDLL, grad: Tensor, y: Tensor, length: Tensor) -> Tensor:
    """The gradient of x [N, H] from that of y."""
    out = torch.empty_like(grad)
    _call(code.norm_back_rows, grad, grad, y, length, out)
    return out


def gate(code: ctypes.CDLL, both: Tensor, out: Tensor) -> Tensor:
    """silu(gate) * up of [N, 2I] into `out` [N, I]."""
    _call(code.gate_rows, out, both, out)
    return out


def gate_back(code: ctypes.CDLL, both: Tensor, grad: Tensor, to_both: Tensor, out: Tensor) -> None:
    """From the gradient [N, I] of the gated the gradient of [N, 2I], and the gated once more into `out`."""
    _call(code.gate_back_rows, out, both, grad, to_both, out)


def _call(function: ctypes._NamedFuncPointer, like: Tensor, *parts: Tensor | ctypes.c_float) -> None:
    """With the sizes of `like` [N, W]."""
    given = [_pointer(part.data_ptr()) if isinstance(part, Tensor) else part for part in parts]
    function(pool(), torch.get_num_threads(), _size(len(like)), _size(like.shape[1]), *given)
