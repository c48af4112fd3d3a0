"""From settings to an engine. Whether it can be trained is asked before anything is loaded."""

from __future__ import annotations

import copy
import random
from pathlib import Path

import torch
from transformers import PretrainedConfig, PreTrainedModel

from ponder.engines.local.engine import LocalEngine
from ponder.engines.scripted import ScriptedEngine
from ponder.engines.settings import EngineSettings, LocalSettings, RemoteSettings, ScriptedSettings, VllmSettings
from ponder.protocols import Tokenizer, WeightedEngine
from ponder.types import PonderError

_DTYPES: dict[str, torch.dtype | None] = {"auto": None, "float32": torch.float32, "bfloat16": torch.bfloat16}


def check_trainable(settings: EngineSettings, config: PretrainedConfig, *, lora: bool = False) -> None:
    """PonderError in one sentence if a model of this `config` cannot be trained with this engine.

    Needs no weights: call it first. `lora`: the trainer keeps its adapters apart from the weights.
    """
    if isinstance(settings, RemoteSettings):
        raise PonderError(
            f"engine.kind=remote: the weights behind {settings.address} cannot be replaced and it gives no "
            "log-probabilities, so it cannot be trained; use local or vllm"
        )
    if isinstance(settings, LocalSettings) and settings.share_weights and lora:
        raise PonderError(
            "engine.share_weights=true: adapters are not part of the weights that the engine reads; set it to false"
        )
    if isinstance(settings, VllmSettings):
        from ponder.engines.vllm.engine import library

        if library().platforms.current_platform.is_cpu() and config.get_text_config().tie_word_embeddings:
            raise PonderError(
                "engine.kind=vllm: on a CPU vLLM keeps the old output head of a model with tied embeddings after an "
                "update and answers wrongly without a sign; use local, a GPU, or a model with untied embeddings"
            )


def open_engine(
    settings: EngineSettings,
    codec: Tokenizer,
    *,
    model: PreTrainedModel | None = None,
    folder: str | Path | None = None,
    device: str = "cpu",
    version: int = 0,
) -> WeightedEngine:
    """The engine that the settings ask for, over the weights of `model` (local) or `folder` (vllm).

    The local engine copies `model`, unless it shares the weights; `device` is where it computes.
    """
    if isinstance(settings, LocalSettings):
        return _local(settings, codec, model, device, version)
    if isinstance(settings, VllmSettings):
        if folder is None:
            raise PonderError("engine.kind=vllm starts from a model folder or hub id, and got none")
        # Imported here because it needs the extra `vllm`.
        from ponder.engines.vllm.engine import VllmEngine

        return VllmEngine(
            folder,
            codec,
            context=settings.context,
            max_batch=settings.max_batch,
            memory=settings.memory,
            dtype=settings.dtype,
            version=version,
        )
    if isinstance(settings, ScriptedSettings):
        texts = settings.texts

        def say(_: str, rng: random.Random) -> str:
            return rng.choice(texts)

        return ScriptedEngine(codec, say, context=settings.context, version=version)
    raise PonderError(
        f"engine.kind=remote: {settings.address} gives words and no tokens; it is asked as --model {settings.address}"
    )


def _local(
    settings: LocalSettings, codec: Tokenizer, model: PreTrainedModel | None, device: str, version: int
) -> LocalEngine:
    if model is None:
        raise PonderError("engine.kind=local samples from a loaded model, and got none")
    dtype = _DTYPES[settings.dtype]
    shared = settings.share_weights
    return LocalEngine(
        model if shared else copy.deepcopy(model),
        codec,
        context=settings.context,
        max_batch=settings.max_batch,
        cache_bytes=None if settings.cache_mb is None else settings.cache_mb << 20,
        device=device,
        dtype=dtype,
        version=version,
        shared=shared,
    )
