"""What a checkpoint says of itself, and the check that it still is what was written.

`manifest.json` is {"manifest": {...}, "sha256": hash of that object}. It is the last file of a checkpoint, so a folder
without a right one was never finished or was damaged.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import nn

from ponder.runlog.files import sync
from ponder.types import PonderError

FORMAT = 1
NAME = "manifest.json"


class Damaged(Exception):
    """A checkpoint that cannot be trusted; the text says which file and why."""


@dataclass(frozen=True)
class Manifest:
    """`files` maps each file to its SHA-256; `model` is the fingerprint of the model that the checkpoint is for."""

    round: int
    version: int
    flops: float
    model: str
    files: dict[str, str]
    format: int = FORMAT


def fingerprint(model: nn.Module) -> str:
    """The same for two models exactly if their parameters agree in name and shape."""
    shapes = [f"{name}{list(parameter.shape)}" for name, parameter in sorted(model.named_parameters())]
    return hashlib.sha256("\n".join(shapes).encode()).hexdigest()[:16]


def hash_files(folder: Path) -> dict[str, str]:
    """Every file below `folder` and its hash."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): _digest(path) for path in paths}


def _digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _digest_json(value: Mapping[str, Any]) -> str:
    """SHA-256 of a JSON object in canonical form."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def write(folder: Path, manifest: Manifest) -> None:
    body = asdict(manifest)
    (folder / NAME).write_text(json.dumps({"manifest": body, "sha256": _digest_json(body)}, indent=1), encoding="utf-8")
    sync(folder / NAME)


def read(folder: Path) -> Manifest:
    """The manifest of a whole checkpoint. Damaged if anything differs; PonderError if a newer Ponder wrote it."""
    try:
        whole = json.loads((folder / NAME).read_text(encoding="utf-8"))
        body, claimed = whole["manifest"], whole["sha256"]
        if _digest_json(body) != claimed:
            raise Damaged(f"{NAME} was changed")
        if body["format"] > FORMAT:
            raise PonderError(
                f"{folder}: written in format {body['format']}, this Ponder reads up to {FORMAT}; update it"
            )
        manifest = Manifest(**body)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Damaged(f"{NAME} cannot be read ({error})") from error
    for name, expected in manifest.files.items():
        _check(folder / name, name, expected)
    return manifest


def _check(path: Path, name: str, expected: str) -> None:
    try:
        found = _digest(path)
    except OSError as error:
        raise Damaged(f"{name} cannot be read ({error.strerror})") from error
    if found != expected:
        raise Damaged(f"{name} is not what was written")
