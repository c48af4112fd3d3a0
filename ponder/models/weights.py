"""Weights that are all there: what is missing would be drawn at random, and only a log would say so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel

from ponder.types import PonderError

_SHOWN = 3
# Constants that old checkpoints hold and models compute.
_COMPUTED = ("rotary_emb.inv_freq", ".attn.bias", ".attn.masked_bias", ".attention.bias", ".attention.masked_bias")


def read(kind: Any, place: Path | str, **options: Any) -> PreTrainedModel:
    """`kind.from_pretrained(place, ...)`, refused if a tensor is missing, of no use or of another shape.

    A head that is tied to the embedding need not be stored. Raises PonderError with the names, and whatever
    transformers raises for a folder that it cannot read.
    """
    model, found = kind.from_pretrained(place, output_loading_info=True, ignore_mismatched_sizes=True, **options)
    unexpected = [name for name in found["unexpected_keys"] if not name.endswith(_COMPUTED)]
    misshapen = [
        f"{name} ({list(stored)} for {list(wanted)})" for name, stored, wanted in sorted(found["mismatched_keys"])
    ]
    for what, names in (("lacks", found["missing_keys"]), ("has no place for", unexpected), ("misshapes", misshapen)):
        if names:
            more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
            raise PonderError(
                f"the weights in {place} do not belong to its config.json: {_WHY[what]} "
                f"{', '.join(sorted(names)[:_SHOWN])}{more}; restore the files that were saved together"
            )
    loaded: PreTrainedModel = model
    return loaded


_WHY = {
    "lacks": "the model lacks",
    "has no place for": "the model has no place for",
    "misshapes": "of another shape are",
}


def check_index(folder: Path) -> None:
    """Refuse an index of weights that points to anything but safetensors files beside it."""
    for index in sorted(folder.glob("*.safetensors.index.json")):
        try:
            shards = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise PonderError(f"{index} cannot be read as an index of weights ({type(error).__name__})") from None
        for shard in sorted(map(str, shards)):
            if not shard.endswith(".safetensors") or Path(shard).name != shard:
                raise PonderError(f"{index} points to {shard!r}; only *.safetensors files beside it are opened")
            if not (folder / shard).is_file():
                raise PonderError(f"{index} points to {shard!r}, which is not there; restore the file")
