"""The drawing of draw.cpp: as `sampling.draw` without a nucleus, one call for all requests of a step."""

from __future__ import annotations

import ctypes
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ponder.native.compiler import library, pool

_SOURCE = Path(__file__).with_name("draw.cpp")
_pointer, _size = ctypes.c_void_p, ctypes.c_int64


def draw(
    logits_BV: Tensor, rows_N: NDArray[np.int64], uniforms_N: NDArray[np.float32], temperatures_N: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.float32]] | None:
    """Tokens [N] and log-probabilities [N] from rows of float32 logits on the CPU; None where nothing was compiled."""
    if (code := library(_SOURCE)) is None:
        return None
    tokens, logprobs = np.empty(len(rows_N), dtype=np.int64), np.empty(len(rows_N), dtype=np.float32)
    arrays = (rows_N, uniforms_N, temperatures_N, tokens, logprobs)
    addresses = (logits_BV.data_ptr(), *(array.ctypes.data for array in arrays))
    sizes = _size(len(rows_N)), _size(logits_BV.shape[1])
    code.draw(*sizes, *map(_pointer, addresses), pool(), torch.get_num_threads())
    return tokens, logprobs
