"""Large pages for large tensors: with small ones the processor spends a tenth of a decode step on addresses."""

from __future__ import annotations

import ctypes
import sys
from functools import cache

from torch import Tensor

_ADVICE = 14  # MADV_HUGEPAGE
_PAGE = 2 << 20
_SMALL_PAGE = 4096


def in_large_pages(tensor: Tensor) -> Tensor:
    """The same tensor; where the system can and it is large, its memory is asked for in pages of two megabytes.

    Best before the memory is first written. A refusal changes nothing but time.
    """
    if tensor.device.type == "cpu" and tensor.nbytes >= 2 * _PAGE and (advise := _madvise()):
        first = -(-tensor.data_ptr() // _SMALL_PAGE) * _SMALL_PAGE
        advise(ctypes.c_void_p(first), ctypes.c_size_t(tensor.data_ptr() + tensor.nbytes - first), _ADVICE)
    return tensor


@cache
def _madvise() -> ctypes._NamedFuncPointer | None:
    if not sys.platform.startswith("linux"):
        return None
    try:
        return ctypes.CDLL(None).madvise
    except AttributeError:
        return None
