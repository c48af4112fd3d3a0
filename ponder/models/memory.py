"""Whether a model's weights fit into memory, told from the headers of its files before anything is loaded."""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path

import psutil
import torch

from ponder.types import PonderError

_CGROUP = Path("/sys/fs/cgroup")  # of a container (version 2)


def stored_numbers(folder: Path) -> int:
    """How many numbers the safetensors files in `folder` hold; 0 if none can be read."""
    count = 0
    for file in sorted(folder.glob("*.safetensors")):
        try:
            with file.open("rb") as content:
                (length,) = struct.unpack("<Q", content.read(8))
                header = json.loads(content.read(length)) if length < 2**27 else {}
            count += sum(math.prod(t["shape"]) for name, t in header.items() if name != "__metadata__")
        except (OSError, ValueError, KeyError, TypeError, AttributeError, struct.error):
            return 0  # loading says what is wrong with the file
    return count


def free_bytes(device: str | torch.device = "cpu") -> int:
    """Memory that a model could take on `device` now; on the CPU within the limit of a container."""
    place = torch.device(device)
    if place.type == "cuda":
        return int(torch.cuda.mem_get_info(place)[0])
    free = int(psutil.virtual_memory().available)
    try:
        limit, taken = (int((_CGROUP / name).read_text()) for name in ("memory.max", "memory.current"))
        # Cached files count as taken and are given up when somebody asks.
        cached = dict(line.split() for line in (_CGROUP / "memory.stat").read_text().splitlines()).get("file", "0")
        return min(free, max(0, limit - taken + int(cached)))
    except (OSError, ValueError):  # no such group, or one without a limit ("max")
        return free


def for_caches(device: str | torch.device) -> int:
    """Bytes for an engine's keys and values where nobody says how many: 1 GiB, or two fifths of a GPU's memory.

    Weights, a trainer and activations have the rest. Without the GPU (a plan for another machine) as on a CPU.
    """
    place = torch.device(device)
    if place.type != "cuda" or not torch.cuda.is_available():
        return 1 << 30
    return int(0.4 * torch.cuda.mem_get_info(place)[1])


def refuse_too_large(folder: Path, device: str | torch.device, dtype: torch.dtype) -> None:
    """PonderError if the weights alone need more than is free; loading would end in the kernel killing the process."""
    need, free = stored_numbers(folder) * dtype.itemsize, free_bytes(device)
    if need > free:
        kind = str(dtype).removeprefix("torch.")
        raise PonderError(
            f"model folder {folder}: its weights need {need / 1e9:.1f} GB in {kind}, and {free / 1e9:.1f} GB are free "
            f"on {device}; close other programs, take a smaller model, or a machine or GPU with more memory"
        )
