"""The matrix product that torch itself runs on the CPU, as an address that compiled code can call without python.

torch's library on Linux carries MKL (or another BLAS) and exports Fortran's `sgemm_`. Where it does not, or does not
compute what it should, there is no address and the decode step takes torch's operations.
"""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path

import numpy as np
import torch


@cache
def sgemm() -> int | None:
    """The address of `sgemm_` with 32-bit sizes in torch's library; None if it is not there or not right."""
    for name in ("libtorch_cpu.so", "libtorch_cpu.dylib"):
        path = Path(torch.__file__).parent / "lib" / name
        try:
            function = ctypes.CDLL(str(path)).sgemm_
        except (OSError, AttributeError):
            continue
        return ctypes.cast(function, ctypes.c_void_p).value if _right(function) else None
    return None


def _right(function: ctypes._NamedFuncPointer) -> bool:
    """[[1, 2], [3, 4], [5, 6]] times [[1, 2], [3, 4]], row by row."""
    a, b = np.arange(1, 7, dtype=np.float32).reshape(3, 2), np.arange(1, 5, dtype=np.float32).reshape(2, 2)
    out = np.zeros((3, 2), dtype=np.float32)
    # Read column by column, as Fortran does, the matrices are their transposes: out' = b' a'.
    sizes = [ctypes.byref(ctypes.c_int(n)) for n in (2, 3, 2)]
    one, zero = (ctypes.byref(ctypes.c_float(x)) for x in (1, 0))
    no, two = ctypes.c_char_p(b"N"), ctypes.byref(ctypes.c_int(2))
    pointers = [array.ctypes.data_as(ctypes.c_void_p) for array in (b, a, out)]
    function.restype = None
    function(no, no, *sizes, one, pointers[0], two, pointers[1], two, zero, pointers[2], two)
    return bool((out == a @ b).all())
