"""What this machine offers: cores for torch, and memory that is kept once it was taken."""

from __future__ import annotations

import ctypes
import os

import torch

from ponder.types import PonderError


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def set_threads(threads: int) -> None:
    """`threads` for torch; 0 takes OMP_NUM_THREADS, or every core this process may use where that is not set.

    Whoever starts several processes on one machine (torchrun, a test run) sets that variable: two processes with all
    cores each wait for one another at every operation and are many times slower than with half of them each.
    """
    _keep_freed_memory()
    torch.set_num_threads(threads or _told_threads() or cores())


def _told_threads() -> int:
    """The number in OMP_NUM_THREADS, of a list (nested regions) the first; 0 without one."""
    first = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return int(first) if first.isdecimal() else 0


def check_device(device: str) -> str:
    """`device` itself, if this machine has it: cpu, cuda or cuda:N. Raises PonderError otherwise."""
    kind, _, number = device.partition(":")
    if device != "cpu" and (kind != "cuda" or (":" in device and not number.isdigit())):
        hint = "; write cuda for an NVIDIA or AMD GPU" if kind in ("gpu", "nvidia", "rocm", "hip") else ""
        raise PonderError(f"device {device!r} is unknown; allowed are cpu, cuda and cuda:N{hint}")
    if kind == "cuda":
        found = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if not found:
            raise PonderError(
                f"device {device!r}: torch finds no GPU on this machine; use device cpu, or install a "
                "torch that is built for the GPU"
            )
        if number and int(number) >= found:
            raise PonderError(f"device {device!r}: this machine has {found}, cuda:0 to cuda:{found - 1}")
    return device


def _keep_freed_memory() -> None:
    """Let glibc keep large freed blocks instead of giving each back to the kernel and faulting it in again.

    Training on the CPU frees and takes tens of megabytes many times a step; this was measured to save a third of the
    time. Where the C library is another one, nothing happens.
    """
    mmap_threshold, trim_threshold, top_pad = -3, -1, -2  # numbers of malloc.h
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    mallopt(mmap_threshold, 1 << 30)
    mallopt(trim_threshold, (1 << 31) - 1)
    mallopt(top_pad, 64 << 20)
