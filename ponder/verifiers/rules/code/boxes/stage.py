"""Boxes that root starts run as nobody, so that what reaches the host's files reaches them as a stranger.

Left to itself, bubblewrap started by root makes a user namespace whose only user is root outside: such a box may change
what root owns and is not bound by the limit on processes. Here `setpriv` gives up root before bubblewrap starts.

A stranger may not read an interpreter that lies in root's home, so the thread that starts boxes first moves into a
mount namespace of its own, in which the runtime is bound to a small file system over `/mnt` that everybody can enter.
The namespace is the thread's alone and ends with it: nothing is mounted for anybody else, nothing is left behind.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

NOBODY = 65534
_PLACES = ("/mnt", "/media", "/srv")
_CLONE_FS, _CLONE_NEWNS = 0x200, 0x20000
_READ_ONLY, _REMOUNT, _BIND, _RECURSIVE, _PRIVATE = 0x1, 0x20, 0x1000, 0x4000, 0x40000
_moved = threading.local()

Done = TypeVar("Done")


def needed() -> bool:
    return os.geteuid() == 0


def command() -> list[str]:
    """What stands before a command line so that it runs as nobody. Raises OSError where that cannot be."""
    tool = shutil.which("setpriv")
    if tool is None:
        raise OSError("setpriv (util-linux) is not installed")
    return [tool, f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--"]


def staged(number: int, sources: tuple[Path, ...]) -> Path:
    """Where the source of this number stands after `enter`."""
    return _place(sources) / str(number)


def enter(sources: tuple[Path, ...]) -> None:
    """Move this thread, and all that it starts from now on, to where nobody can read `sources`. Raises OSError."""
    if getattr(_moved, "sources", None) == sources:
        return
    place = _place(sources)
    libc = ctypes.CDLL(None, use_errno=True)
    _checked(libc.unshare(_CLONE_FS | _CLONE_NEWNS), "a mount namespace")
    _mount(libc, None, Path("/"), None, _RECURSIVE | _PRIVATE)
    _mount(libc, "tmpfs", place, "tmpfs", 0, "mode=755,size=1m")
    for number, source in enumerate(sources):
        target = place / str(number)
        target.mkdir() if source.is_dir() else target.touch()
        _mount(libc, str(source), target, None, _BIND)
    _mount(libc, None, place, None, _REMOUNT | _BIND | _READ_ONLY)
    _moved.sources = sources


def apart(action: Callable[[], Done]) -> Done:
    """`action` on a thread of its own, which may move without moving the caller."""
    results: list[Done] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(action())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, name="ponder-box-test")
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]


@lru_cache(maxsize=8)
def _place(sources: tuple[Path, ...]) -> Path:
    """A corner of the file system that hides none of `sources`, and nothing that this process reads from."""
    reads = [Path(entry or ".").resolve() for entry in (*sys.path, os.curdir, tempfile.gettempdir())]
    for place in map(Path, _PLACES):
        if place.is_dir() and not any(each.is_relative_to(place) for each in (*sources, *reads)):
            return place
    raise OSError(f"none of {', '.join(_PLACES)} can be mounted over")


def _mount(
    libc: ctypes.CDLL, source: str | None, target: Path, kind: str | None, flags: int, options: str | None = None
) -> None:
    texts = [None if text is None else os.fsencode(text) for text in (source, str(target), kind)]
    more = None if options is None else options.encode()
    _checked(libc.mount(*texts, ctypes.c_ulong(flags), more), f"a mount at {target}")


def _checked(result: int, what: str) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")
