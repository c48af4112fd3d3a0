"""What a benchmark's numbers belong to (date, code revision, machine, library versions, load), and where they are kept.

A result file holds the latest run of a benchmark. What stood there before moves to `history/` beside it, under its date
and revision, so that `benchmarks.compare` can tell whether a run is slower than its predecessor.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ponder.runlog import environment
from ponder.runlog.files import write_json

RESULTS = Path(__file__).parent / "results"


def about(device: str = "cpu") -> dict[str, Any]:
    """The head of a result file. `load` is the number of processes that wanted a core in the last minute."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "revision": environment.revision(),
        "machine": environment.machine(device),
        "versions": environment.versions(),
        "load": os.getloadavg()[0],
    }


def keep(path: Path, body: Mapping[str, Any]) -> None:
    """Write a result; the one that stood there goes to `history/`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        older = filed(path, json.loads(path.read_text(encoding="utf-8")))
        older.parent.mkdir(exist_ok=True)
        older.write_bytes(path.read_bytes())
    write_json(path, body)


def filed(path: Path, body: Mapping[str, Any]) -> Path:
    """Where an older result is kept: history/NAME_DATE_REVISION.json, sorted by time."""
    date = str(body.get("date", "undated")).replace(":", "").removesuffix("+0000")
    return path.parent / "history" / f"{path.stem}_{date}_{body.get('revision', 'unknown')}.json"
