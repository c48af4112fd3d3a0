"""Durable writes: a file is the old one or the new one, a journal ends at a whole line, whenever the power goes.

Whole files go to a temporary file in the same folder, which is flushed to the disk and then renamed over the old one.
Journals (`*.jsonl`) grow by one line a write; a line that a kill cut short has no newline and is dropped.
"""

from __future__ import annotations

import dataclasses
import errno
import json
import math
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ponder.printable import json_line
from ponder.types import PonderError

_REMEDIES = {
    errno.ENOSPC: "the disk is full; free some space or choose another folder (--out)",
    errno.EDQUOT: "the disk quota is used up; free some space or choose another folder (--out)",
    errno.EROFS: "the file system is read-only; choose another folder (--out)",
    errno.EACCES: "there is no permission to write here; choose another folder (--out)",
    errno.ENOENT: "its folder is gone; was the run folder moved or deleted while it was in use?",
    errno.EISDIR: "a folder of this name is in the place of a file; remove it or choose another folder (--out)",
    errno.ENOTDIR: "a part of this path is a file and no folder; choose another folder (--out)",
}
HIDDEN = ".tmp-"
_FULL = ("No space left on device", "os error 28")


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn what the disk refuses into a PonderError that names `path` and the remedy; other errors pass through.

    Some libraries report a full disk in an error class of their own, so their text is looked at as well.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _REMEDIES:
            raise
        raise PonderError(f"cannot write {path}: {_REMEDIES[error.errno]}") from error
    except PonderError:
        raise
    except Exception as error:
        if not any(text in str(error) for text in _FULL):
            raise
        raise PonderError(f"cannot write {path}: {_REMEDIES[errno.ENOSPC]}") from error


def no_room(error: BaseException | None) -> bool:
    """Whether `error` says that a disk or a quota is full, or was raised because of one that does."""
    while error is not None:
        full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
        if full or any(text in str(error) for text in _FULL):
            return True
        error = error.__cause__
    return False


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path to write to; on a clean exit it takes the place of `path` in one durable step.

    After an error `path` is what it was and the temporary file is gone. After a kill the temporary file stays behind
    and the next write of the same name overwrites it. One writer at a time.
    """
    temporary = path.with_name(f".{path.name}.partial")
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            sync(temporary)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        sync(path.parent)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Give a folder to write to; on a clean exit everything in it is on the disk, and a new `path` appears at once.

    A folder that exists is written to where it is, because it may hold other things. After an error what was begun is
    removed; after a kill `.tmp-NAME` stays behind, and the next write of the same name begins with removing it.
    """
    with explained(path):
        fresh = not path.exists()
        place = path.with_name(f"{HIDDEN}{path.name}") if fresh else path
        if fresh:
            shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True, exist_ok=True)
        try:
            yield place
            sync_tree(place)
            if fresh:
                place.rename(path)
        except BaseException:
            if fresh:
                shutil.rmtree(place, ignore_errors=True)
            raise
        sync(path.parent)


def sync_tree(folder: Path) -> None:
    """Every file below `folder`, then every folder, the outermost last."""
    for path in sorted(folder.rglob("*"), reverse=True):
        sync(path)
    sync(folder)


def sync(path: Path) -> None:
    """Flush a file's bytes, or a folder's list of names, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text(path: Path, text: str) -> None:
    """Write a whole text file in one durable step."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: object) -> None:
    """Write one JSON value, indented, in one durable step; see `plain` for what is accepted."""
    write_text(path, json_line(plain(value), indent=1, allow_nan=False) + "\n")


def append_line(path: Path, row: Mapping[str, Any]) -> None:
    """Add one JSON line to a journal and flush it to the disk. A line that does not fit is taken back whole."""
    line = json_line(plain(row), allow_nan=False).encode() + b"\n"
    with explained(path):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            before = os.fstat(descriptor).st_size
            try:
                _write_all(descriptor, line)
                os.fsync(descriptor)
            except OSError:
                os.ftruncate(descriptor, before)
                raise
        finally:
            os.close(descriptor)


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """The rows of a journal; [] if there is none. A torn last line is dropped, a broken line before it is an error."""
    rows: list[dict[str, Any]] = []
    lines = path.read_bytes().split(b"\n") if path.exists() else []
    for number, line in enumerate(lines[:-1], start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            if not isinstance(row, dict):
                raise ValueError("not an object")
        except ValueError as error:
            # After a power cut the last line may have its length but not its bytes.
            if number == len(lines) - 1:
                break
            raise PonderError(f"{path}, line {number}: not a JSON object; restore the file or cut the line") from error
        rows.append(row)
    return rows


def mend(path: Path) -> None:
    """Cut a journal back to its last whole line, so that the next line does not continue a torn one."""
    if path.exists():
        kept = path.read_bytes()
        whole = kept[: kept.rfind(b"\n") + 1]
        if whole != kept:
            os.truncate(path, len(whole))


def plain(value: object) -> Any:
    """`value` in JSON's own types: dataclasses, paths, tuples, numpy and torch scalars are unfolded.

    NaN and the infinities become null: what is not a number was not measured.
    """
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, Sequence | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    item = getattr(value, "item", None)
    if callable(item):
        return plain(item())
    raise TypeError(f"{type(value).__name__} cannot be written as JSON; convert it to numbers, text, lists or mappings")
