"""A control group around each box where the machine lets us make one: version 1, version 2, or none.

What the limits of one process do not see is counted here: the pages and names of files in the box's small disk, memory
that the kernel holds for the box, and all its tasks together. Groups are made below our own, one for each box that
runs at the same time, used again by the next one and removed at the end; those that a killed process left are removed
by the next.

Nothing of a box is ever outside of its group. In version 1 a thread can be in a group of its own, and what it starts
begins there: the thread that starts boxes enters once. Version 2 knows no such threads for memory, so there a shell of
one line joins and becomes the box; the kernel takes some 10 ms to move a process.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import threading
import time
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")
_NAME = "ponder-box-"
_count = itertools.count()
# What to write, for version 1 by controller and for version 2, and where the kernel counts its kills.
_SETTINGS = {
    1: (("memory", "memory.limit_in_bytes", "memory.oom_control"), ("pids", "pids.max", "")),
    2: (("", "memory.max", "memory.events"), ("", "pids.max", "")),
}


class Group:
    """One group, in one or two trees. `close` removes it; it must be empty."""

    def __init__(self, version: int, parents: list[Path], memory: int, tasks: int) -> None:
        """Raises OSError if it cannot be made or limited; nothing is left then."""
        self.version = version
        name = f"{_NAME}{os.getpid()}-{next(_count)}"
        self.folders = [parent / name for parent in dict.fromkeys(parents)]
        try:
            for folder in self.folders:
                folder.mkdir()
            places = self.folders if version == 1 else self.folders * 2
            for folder, (_, file, _), value in zip(places, _SETTINGS[version], (memory, tasks), strict=True):
                if not (folder / file).exists():
                    raise OSError(f"{folder / file} is missing")
                (folder / file).write_text(str(value))
        except OSError:
            self.close()
            raise

    def enter(self) -> None:
        """Version 1: move this thread in. Raises OSError."""
        self._move(self.folders)

    def leave(self) -> None:
        """Version 1: move this thread back."""
        self._move([folder.parent for folder in self.folders])

    def _move(self, folders: list[Path]) -> None:
        for folder in folders if self.version == 1 else ():
            (folder / "tasks").write_text(str(threading.get_native_id()))

    def joined(self, command: list[str]) -> list[str]:
        """`command` as it begins inside of the group."""
        if self.version == 1:
            return command
        writes = "".join(f"echo $$ >'{folder}/cgroup.procs' && " for folder in self.folders)
        return ["/bin/sh", "-c", f'{writes}exec "$@"', "sh", *command]

    def memory_kills(self) -> int:
        """How often the kernel ended a process of the group for its memory."""
        text = (self.folders[0] / _SETTINGS[self.version][0][2]).read_text()
        found = re.search(r"^oom_kill (\d+)", text, re.MULTILINE)
        return int(found[1]) if found else 0

    def close(self) -> None:
        """Remove it. A thread that has ended leaves a moment later, so a busy group is tried again for a second."""
        until = time.monotonic() + 1.0
        for folder in self.folders:
            while folder.exists() and time.monotonic() < until:
                try:
                    folder.rmdir()
                except OSError:
                    time.sleep(0.01)


def parents() -> tuple[int, list[Path]] | None:
    """(version, folders to make groups in), or None where no tree can be written to."""
    lines = Path("/proc/self/cgroup").read_text().splitlines() if Path("/proc/self/cgroup").exists() else []
    own = {
        controller: path for line in lines for _, names, path in [line.split(":", 2)] for controller in names.split(",")
    }
    old = [_ROOT / name / own.get(name, "/").lstrip("/") for name in ("memory", "pids")]
    new = _ROOT / own.get("", "/").lstrip("/")
    for version, folders in ((1, old), (2, [new]), (2, [new.parent])):
        try:
            Group(version, folders, 2**28, 64).close()
        except OSError:
            continue
        _tidy(folders)
        return version, folders
    return None


def _tidy(folders: list[Path]) -> None:
    """Remove the groups of processes that are gone."""
    for folder in folders:
        for left in folder.glob(f"{_NAME}*-*"):
            if not Path(f"/proc/{left.name.removeprefix(_NAME).partition('-')[0]}").exists():
                with contextlib.suppress(OSError):
                    left.rmdir()
