"""Causal language models in and out: the embedded one, a local folder or a hub id.

Nothing from a folder is ever run: no custom code, and no pickled weights unless they are asked for by name.
"""

from __future__ import annotations

import importlib.resources
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
from transformers.utils import logging

from ponder.models import pictures, templates
from ponder.models.memory import refuse_too_large
from ponder.models.weights import check_index
from ponder.models.weights import read as weights_of
from ponder.runlog.files import whole_folder
from ponder.types import PonderError

# Loading and saving take moments; what takes longer has a progress bar of Ponder's own.
logging.disable_progress_bar()

EMBEDDED = "tiny"
_TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "spiece.model")


@dataclass(frozen=True)
class Loaded:
    """A model in eval mode and the tokenizer that belongs to it."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase


def load(
    name: str, device: str | torch.device = "cpu", dtype: torch.dtype = torch.float32, *, pickles: bool = False
) -> Loaded:
    """`tiny` (ships with Ponder), a local folder, or a hub id. `pickles` also accepts .bin weights, tensors only."""
    place = place_of(name)
    if isinstance(place, Path):
        _check(place, pickles)
        refuse_too_large(place, device, dtype)
    options: dict[str, Any] = {"trust_remote_code": False}
    try:
        tokenizer = AutoTokenizer.from_pretrained(place, **options)
        _check_template(name, tokenizer)
        # from_pretrained itself reads pickles with weights_only, so even an accepted one cannot run code.
        options |= {"dtype": dtype, "use_safetensors": None if pickles else True}
        sees = AutoConfig.from_pretrained(place, trust_remote_code=False).model_type in pictures.KINDS
        model = pictures.read(place, **options) if sees else weights_of(AutoModelForCausalLM, place, **options)
    except PonderError:
        raise
    except Exception as error:
        raise PonderError(_explain(name, place, error)) from error
    _check_vocabulary(name, tokenizer, model)
    model.eval()
    return Loaded(nn.Module.to(model, device), tokenizer)


def _check_vocabulary(name: str, tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel) -> None:
    """Refuse a tokenizer whose own tokens (added ones aside) have no rows in the embedding."""
    embedding: Any = model.get_input_embeddings()
    rows = int(embedding.weight.shape[0])
    if tokenizer.vocab_size > rows:
        raise PonderError(
            f"model {name!r}: its tokenizer has {tokenizer.vocab_size} tokens and its weights {rows}, so they are of "
            "two models; put the tokenizer files that came with the weights into the folder"
        )


def _check_template(name: str, tokenizer: PreTrainedTokenizerBase) -> None:
    template = tokenizer.chat_template
    for text in template.values() if isinstance(template, dict) else [template]:
        if name != EMBEDDED and text and templates.hangs(text):
            raise PonderError(
                f"model {name!r}: its chat template does not end (more than {templates.SECONDS} s or 1 GB for a short "
                "conversation); mend chat_template.jinja or the chat_template of tokenizer_config.json"
            )


def save(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    folder: str | Path,
    weights: Mapping[str, Tensor] | None = None,
) -> None:
    """An ordinary transformers folder: config, safetensors weights (`weights` or the model's), tokenizer, template.

    It is on the disk when this returns. Raises PonderError if the disk is full or cannot be written to.
    """
    with whole_folder(Path(folder)) as place:
        if pictures.pictures_of(model) is not None:
            pictures.write(model, place, weights)
        else:
            model.save_pretrained(place, state_dict=None if weights is None else dict(weights))
        tokenizer.save_pretrained(place)


def config_of(name: str) -> PretrainedConfig:
    """The configuration of a model without its weights (of its language model, if it sees). PonderError if none."""
    place = place_of(name)
    if isinstance(place, Path):
        _check(place, pickles=True)
    try:
        config: PretrainedConfig = AutoConfig.from_pretrained(place, trust_remote_code=False)
    except Exception as error:
        raise PonderError(_explain(name, place, error)) from error
    return config.get_text_config() if config.model_type in pictures.KINDS else config


def place_of(name: str) -> Path | str:
    """The folder that `name` stands for, or the name itself if it can only be a hub id."""
    if name == EMBEDDED:
        return Path(str(importlib.resources.files("ponder") / "assets" / EMBEDDED))
    path = Path(name).expanduser()
    if path.is_dir():
        return path
    if path.exists() or name.startswith((".", "/", "~")) or name.count("/") > 1 or name.endswith("/"):
        raise PonderError(f"model {name!r}: no such folder; give 'tiny', a local model folder or a hub id (owner/name)")
    return name


def _check(folder: Path, pickles: bool) -> None:
    """Refuse a folder that is not a complete, inert causal language model, before anything in it is opened."""
    config = _object(folder / "config.json")
    settings = _object(folder / "tokenizer_config.json") if (folder / "tokenizer_config.json").exists() else {}
    if "auto_map" in config or "auto_map" in settings:
        raise PonderError(f"model folder {folder}: it wants to run its own code (auto_map in a config); never done")
    kind = config.get("model_type")
    if kind not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES and kind not in pictures.KINDS:
        raise PonderError(f"model folder {folder}: {kind!r} is not a causal language model that transformers knows")
    if not any((folder / name).exists() for name in _TOKENIZERS):
        raise PonderError(f"model folder {folder}: no tokenizer (tokenizer.json); save it there with save_pretrained")
    if not any(folder.glob("*.safetensors")) and not pickles:
        pickled = any(folder.glob("*.bin"))
        found = "only pickled weights (.bin); convert them to safetensors" if pickled else "no weights"
        raise PonderError(f"model folder {folder}: {found}; allowed are *.safetensors")
    if not pickles:
        check_index(folder)


def _object(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise PonderError(f"model folder {path.parent}: no {path.name}; give one that save_pretrained wrote") from None
    except RecursionError:
        raise PonderError(f"model folder {path.parent}: {path.name} is nested too deeply; restore it") from None
    except (OSError, ValueError) as error:
        raise PonderError(f"model folder {path.parent}: {path.name} cannot be read as JSON ({error})") from None
    if not isinstance(content, dict):
        raise PonderError(f"model folder {path.parent}: {path.name} is not a JSON object")
    return content


def _explain(name: str, place: Path | str, error: Exception) -> str:
    first = next(iter(str(error).strip().splitlines()), type(error).__name__)
    if isinstance(place, Path):
        return f"model folder {place}: cannot be loaded ({first})"
    return f"model {name!r}: no such folder, and the hub did not give it ({first}); check the name and the network"
