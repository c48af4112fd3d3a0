"""What ran where: code revision, library versions, the machine, and how much memory was needed."""

from __future__ import annotations

import os
import platform
import re
import resource
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil

from ponder.version import VERSION

_LIBRARIES = ("torch", "transformers", "tokenizers", "numpy", "math-verify", "reasoning-gym", "pyarrow", "vllm")


def revision() -> str:
    """`git describe` of the checkout that this package runs from, marked if it was changed; else the version."""
    root = Path(__file__).resolve().parents[2]
    # Only the package's own repository counts: an installed copy may lie inside somebody else's.
    if (root / ".git").exists():
        command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--tags"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
        except (OSError, subprocess.SubprocessError):
            return f"v{VERSION}"
        return done.stdout.strip()
    return f"v{VERSION}"


def versions() -> dict[str, str]:
    """Versions of Python and of the libraries whose change could change a result; absent ones are left out."""
    found = {"python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def machine(device: str = "cpu") -> dict[str, Any]:
    """Cores that this process may use, the processor's name, memory in bytes, and the device as the caller names it."""
    return {
        "cores": len(os.sched_getaffinity(0)),
        "cpu": _cpu_name(),
        "memory_bytes": psutil.virtual_memory().total,
        "device": device,
        "system": f"{platform.system()} {platform.machine()}",
    }


def _cpu_name() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor()
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return found.group(1).strip() if found else platform.processor()


def peak_memory_bytes() -> int:
    """Most resident memory that this process ever held, in bytes; its children are not counted.

    Linux's own high-water mark comes first: `getrusage` also remembers the program that started this one.
    """
    try:
        found = re.search(r"^VmHWM:\s*(\d+) kB$", Path("/proc/self/status").read_text(encoding="utf-8"), re.MULTILINE)
    except OSError:
        found = None
    if found:
        return int(found.group(1)) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
