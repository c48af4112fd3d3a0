"""What a model was trained on and how it was asked: a small file beside its weights.

A question of another kind is answered blindly, and one that is put in another way is answered worse.
"""

from __future__ import annotations

import importlib.resources
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ponder.models.load import EMBEDDED
from ponder.runlog.files import write_json

FILE = "ponder_model.json"


def write(
    folder: Path,
    families: Sequence[str],
    frame: Mapping[str, Any] | None = None,
    asked: Mapping[str, Any] | None = None,
) -> None:
    """Leave the names of the families of problems in the model folder `folder`.

    `frame` are the settings of the frame (`policy.frames`), `asked` says in words how each family was put to it.
    """
    more = {"frame": dict(frame)} if frame else {}
    more |= {"asked": dict(asked)} if asked else {}
    write_json(folder / FILE, {"schema": 1, "families": list(families), **more})


def read(name: str) -> tuple[str, ...] | None:
    """The families that the model `name` (tiny or a folder) was trained on; None where nothing is known of that."""
    found = _read(name)
    families = found.get("families") if found else None
    if not isinstance(families, list) or not all(isinstance(family, str) for family in families):
        return None
    return tuple(families)


def frame_of(name: str) -> dict[str, Any] | None:
    """The settings of the frame that the model `name` was trained in; None if nothing is known of its training.

    Folders from before frames were written were trained with opened thinking.
    """
    found = _read(name)
    if found is None or "families" not in found:
        return None
    frame = found.get("frame", {"kind": "opened"})
    return frame if isinstance(frame, dict) else None


def _read(name: str) -> dict[str, Any] | None:
    folder = Path(str(importlib.resources.files("ponder") / "assets" / EMBEDDED)) if name == EMBEDDED else Path(name)
    try:
        found = json.loads((folder / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None
