"""One writer a run folder. The kernel holds the lock, so the lock of a dead process is no lock.

A POSIX record lock is not inherited by forked children: a worker that outlives its killed parent cannot keep the
folder shut. Such a lock does not exclude its own process, so the folders that this process holds are kept in a set.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from pathlib import Path
from types import TracebackType

from ponder.runlog.files import explained
from ponder.types import PonderError

NAME = "run.lock"
_held: set[Path] = set()


class FolderLock:
    """Holds `folder/run.lock`, with the owner's process id and start time in it, until `release`."""

    def __init__(self, folder: Path) -> None:
        self._path = folder.resolve() / NAME
        if self._path in _held:
            raise PonderError(f"{folder} is already open in this process ({os.getpid()}); close that run first")
        with explained(self._path):
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
            try:
                self._take(folder)
                os.ftruncate(self._descriptor, 0)
                owner = {"pid": os.getpid(), "started": time.strftime("%Y-%m-%dT%H:%M:%S%z")}
                os.write(self._descriptor, json.dumps(owner).encode())
            except BaseException:
                os.close(self._descriptor)
                raise
        _held.add(self._path)

    def _take(self, folder: Path) -> None:
        try:
            fcntl.lockf(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError) as error:
            owner = os.pread(self._descriptor, 1000, 0).decode(errors="replace")
            raise PonderError(
                f"{folder} is in use by another run ({owner}); wait for it to end or choose another folder (--out)"
            ) from error

    def release(self) -> None:
        """Give the folder free. The file stays: removing it would let two newcomers lock two different files."""
        if self._path in _held:
            _held.discard(self._path)
            os.close(self._descriptor)

    def __enter__(self) -> FolderLock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
