"""Which tokens end a turn by the settings that a model comes with, beside the one that its tokenizer names.

Chat models often have several: Qwen2.5-Instruct names `<|im_end|>` and `<|endoftext|>`, Llama 3 three, and Gemma's
tokenizer names one that its chat never uses. A sampler that waits for the wrong one runs every answer to its limit.
"""

from __future__ import annotations

from pathlib import Path

from transformers import AutoConfig, GenerationConfig, PretrainedConfig, PreTrainedModel


def end_tokens(model: PreTrainedModel) -> tuple[int, ...]:
    """The end tokens of `generation_config.json`, or of the model's config where there is none."""
    named = _listed(getattr(model.generation_config, "eos_token_id", None))
    return named or of_config(model.config)


def end_tokens_of(folder: str | Path) -> tuple[int, ...]:
    """The same for a folder or hub id whose weights are not loaded here; nothing if it has no readable settings."""
    try:
        named = _listed(GenerationConfig.from_pretrained(folder).eos_token_id)
    except (OSError, ValueError):
        named = ()
    try:
        return named or of_config(AutoConfig.from_pretrained(folder, trust_remote_code=False))
    except (OSError, ValueError):
        return ()


def of_config(config: PretrainedConfig) -> tuple[int, ...]:
    """The end tokens of a model's config."""
    return _listed(getattr(config.get_text_config(), "eos_token_id", None))


def _listed(value: object) -> tuple[int, ...]:
    if isinstance(value, int):
        return (value,)
    return tuple(int(token) for token in value) if isinstance(value, list | tuple) else ()
