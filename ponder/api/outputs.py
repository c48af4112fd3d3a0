"""Folders that results go to: made with a plain refusal, and never written over by accident."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ponder.runlog.files import explained
from ponder.types import PonderError


def result_folder(out: Path, written: Sequence[str], *, overwrite: bool) -> Path:
    """`out`, made. Raises PonderError if it is a file, cannot be written, or holds one of `written` already.

    With `overwrite` those are removed, and nothing else.
    """
    if out.exists() and not out.is_dir():
        raise PonderError(f"--out {out} is a file; name a folder")
    there = [name for name in written if (out / name).exists()]
    if there and not overwrite:
        raise PonderError(f"--out {out} holds {there[0]} already; name another folder or add --overwrite")
    clear(out, written)
    with explained(out):
        out.mkdir(parents=True, exist_ok=True)
        probe = out / ".write-test"
        probe.touch()
        probe.unlink()
    return out


def clear(out: Path, written: Sequence[str]) -> None:
    """Remove the files `written` from `out`, where there are any."""
    with explained(out):
        for name in written:
            if out.is_dir():
                (out / name).unlink(missing_ok=True)
