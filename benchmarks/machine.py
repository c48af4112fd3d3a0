"""What a benchmark's numbers belong to: date, code revision, machine, library versions, load at the time."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import Any

from ponder.runlog import environment


def about(device: str = "cpu") -> dict[str, Any]:
    """The head of a result file. `load` is the number of processes that wanted a core in the last minute."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "revision": environment.revision(),
        "machine": environment.machine(device),
        "versions": environment.versions(),
        "load": os.getloadavg()[0],
    }
