"""A GGUF file (llama.cpp's format) to an ordinary transformers folder, which everything else here loads.

The weights are dequantised: what the quantisation rounded away does not come back. Needs the package `gguf`.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from ponder.models.load import save
from ponder.names import install
from ponder.types import PonderError


def convert(file: Path, folder: Path, dtype: torch.dtype = torch.float32) -> int:
    """Write `folder` (config, safetensors in `dtype`, tokenizer, chat template); returns the number of parameters.

    PonderError if the package is missing, the file is not there or transformers does not know what it holds.
    """
    if importlib.util.find_spec("gguf") is None:
        raise PonderError(f"reading a GGUF file needs the package gguf, which is not installed; {install('gguf')}")
    if not file.is_file():
        raise PonderError(f"{file}: no such file; give the path of a .gguf file")
    source: dict[str, Any] = {"gguf_file": file.name, "trust_remote_code": False}
    try:
        tokenizer = AutoTokenizer.from_pretrained(file.parent, **source)
        model = AutoModelForCausalLM.from_pretrained(file.parent, dtype=dtype, **source)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise PonderError(f"{file}: transformers cannot read it ({reason})") from error
    # What loaded it from GGUF would refuse to save, although the weights are plain tensors by now.
    setattr(model, "hf_quantizer", None)  # noqa: B010  (declared as a module by the library)
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    save(model, tokenizer, folder)
    return int(model.num_parameters())
