"""Compiled libraries on the disk: written whole or not at all, and loaded only if they are what we made.

Beside each library lies a note with its size and SHA-256. A file that was cut short (mapped into memory it would end
the process with SIGBUS) or changed does not match its note; one that somebody else owns or may write to is not ours.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from pathlib import Path


def folder(root: Path) -> Path:
    """`root` if it is ours alone, else a folder of our own in it. Raises OSError if there can be none."""
    root.mkdir(parents=True, exist_ok=True)
    if not _foreign(root):
        return root
    own = root / f"user-{os.geteuid()}"
    own.mkdir(mode=0o700, exist_ok=True)
    if why := _foreign(own):
        raise OSError(f"{own} {why}; remove it or choose another folder (PONDER_CACHE)")
    return own


def keep(made: Path, path: Path) -> None:
    """Move a library from the same file system to `path`, with its note. It is on the disk before it has its name."""
    made.chmod(0o755)
    _sync(made)
    data = made.read_bytes()
    note = made.with_name(f"{path.name}.json")
    note.write_text(json.dumps({"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}), encoding="utf-8")
    _sync(note)
    note.replace(_note(path))
    made.replace(path)
    _sync(path.parent)


def check(path: Path) -> None:
    """Raises OSError with the reason if the library is not what `keep` wrote, or not ours alone."""
    for each in (path.parent, path, _note(path)):
        if why := _foreign(each):
            raise OSError(f"{each.name} {why}")
    try:
        noted = json.loads(_note(path).read_text(encoding="utf-8"))
        size, digest = noted["size"], noted["sha256"]
    except (ValueError, KeyError, TypeError) as error:
        raise OSError(f"its note cannot be read ({type(error).__name__})") from error
    data = path.read_bytes()
    if len(data) != size or hashlib.sha256(data).hexdigest() != digest:
        raise OSError(f"it is not what was written ({len(data)} bytes, {size} noted)")


def _note(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")


def _foreign(path: Path) -> str:
    """Why a file or folder is not ours alone; "" if it is."""
    found = path.lstat()
    if stat.S_ISLNK(found.st_mode):
        return "is a link"
    if found.st_uid not in (os.geteuid(), 0):
        return f"belongs to user {found.st_uid}"
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return "can be written to by others"
    return ""


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
