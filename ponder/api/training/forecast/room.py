"""What this machine has for a run: memory of the device that trains, and free disk below the run folder."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import psutil
import torch

_CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Room:
    """Bytes. `memory` is the most that the process may ever take, `free` what is left of it now, `disk` free space."""

    memory: float
    free: float
    disk: float


def here(device: str, out: Path) -> Room:
    """The room on this machine for a run on `device` into the folder `out`, which need not exist."""
    place = out.absolute()
    while not place.exists():
        place = place.parent
    disk = float(shutil.disk_usage(place).free)
    if device != "cpu":
        free, total = torch.cuda.mem_get_info(device)
        return Room(float(total), float(free), disk)
    seen = psutil.virtual_memory()
    limit, used = cgroup()
    return Room(min(float(seen.total), limit), min(float(seen.available), limit - used), disk)


def cgroup(root: Path = _CGROUP) -> tuple[float, float]:
    """Memory limit of the control group that this process sees, and what is used of it; (inf, 0) without one.

    Version 2 says `max` where there is no limit, version 1 a number near 2 to the 63rd.
    """
    for limit, used in (
        (root / "memory.max", root / "memory.current"),
        (root / "memory" / "memory.limit_in_bytes", root / "memory" / "memory.usage_in_bytes"),
    ):
        try:
            most, now = limit.read_text(encoding="ascii").strip(), float(used.read_text(encoding="ascii"))
        except (OSError, ValueError):
            continue
        if most.isdigit() and int(most) < 1 << 60:
            return float(most), now
    return float("inf"), 0.0
