"""What a model was trained on, as a small file beside its weights: a question of another kind is answered blindly."""

from __future__ import annotations

import importlib.resources
import json
from collections.abc import Sequence
from pathlib import Path

from ponder.models.load import EMBEDDED
from ponder.runlog.files import write_json

FILE = "ponder_model.json"


def write(folder: Path, families: Sequence[str]) -> None:
    """Leave the names of the families of problems in the model folder `folder`."""
    write_json(folder / FILE, {"schema": 1, "families": list(families)})


def read(name: str) -> tuple[str, ...] | None:
    """The families that the model `name` (tiny or a folder) was trained on; None where nothing is known of that."""
    folder = Path(str(importlib.resources.files("ponder") / "assets" / EMBEDDED)) if name == EMBEDDED else Path(name)
    try:
        found = json.loads((folder / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    families = found.get("families") if isinstance(found, dict) else None
    if not isinstance(families, list) or not all(isinstance(family, str) for family in families):
        return None
    return tuple(families)
