"""Tiny random models of nine architectures and a tokenizer for all of them, as ordinary transformers folders.

`make(name)` gives the module, `folder(name, path)` writes config, weights and tokenizer as `save_pretrained` does. The
weights are far from uniform, so that no test passes by symmetry, and the sizes differ from each other, so that a mixed
up axis fails. Mistral and Gemma 3 have sliding windows that are shorter than the context.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    Olmo2Config,
    Olmo2ForCausalLM,
    Phi3Config,
    Phi3ForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
    Qwen3MoeConfig,
    Qwen3MoeForCausalLM,
)

CONTEXT = 256
WINDOW = 24  # of Mistral's layers, and of Gemma 3's first
SPECIAL = ("<|pad|>", "<|begin|>", "<|end|>", "<|user|>", "<|assistant|>", "<think>", "</think>")
PAD, BEGIN, END = 0, 1, 2
MERGES = ("Ġ t", "h e", "Ġt he", "i n", "e r", "a n", "Ġ a", "1 2")
TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}<|{{ 'assistant' if m.role == 'assistant' else 'user' }}|>{{ m.content }}"
    "<|end|>{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)

_SIZE: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": CONTEXT,
    "initializer_range": 0.25,
}
_HEAD = {"head_dim": 16}  # four of them are wider than the hidden size
_GPT2: dict[str, Any] = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": CONTEXT, "initializer_range": 0.25}
_GEMMA: dict[str, Any] = {
    "layer_types": ["sliding_attention", "full_attention"],
    "sliding_window": WINDOW,
    "query_pre_attn_scalar": 16,
}
_EXPERTS: dict[str, Any] = {
    "num_experts": 4,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 24,  # grouped products in bfloat16 want multiples of 8
    "norm_topk_prob": True,
}

_FAMILIES: dict[str, tuple[Callable[..., Any], Callable[..., Any], dict[str, Any]]] = {
    "llama": (LlamaConfig, LlamaForCausalLM, _SIZE | _HEAD),
    "qwen2": (Qwen2Config, Qwen2ForCausalLM, _SIZE),
    "qwen3": (Qwen3Config, Qwen3ForCausalLM, _SIZE | _HEAD),
    "mistral": (MistralConfig, MistralForCausalLM, _SIZE | _HEAD | {"sliding_window": WINDOW}),
    "gemma3": (Gemma3TextConfig, Gemma3ForCausalLM, _SIZE | _HEAD | _GEMMA),
    "phi3": (Phi3Config, Phi3ForCausalLM, _SIZE),
    "olmo2": (Olmo2Config, Olmo2ForCausalLM, _SIZE),
    "gpt2": (GPT2Config, GPT2LMHeadModel, _GPT2),
    "qwen3_moe": (Qwen3MoeConfig, Qwen3MoeForCausalLM, _SIZE | _HEAD | _EXPERTS),
}
ARCHITECTURES = tuple(_FAMILIES)
# What the model's real releases do; GPT-2 and Gemma 3 are never untied.
_TIED = {"gemma3", "gpt2"}


def make(name: str, *, seed: int = 0, tied: bool | None = None, dtype: torch.dtype = torch.float32) -> PreTrainedModel:
    """The random module of an architecture in eval mode; the same seed gives the same weights."""
    config, family, settings = _FAMILIES[name]
    special = {"vocab_size": len(tokenizer()), "pad_token_id": PAD, "bos_token_id": BEGIN, "eos_token_id": END}
    ties = name in _TIED if tied is None else tied
    torch.manual_seed(seed)
    lm: PreTrainedModel = family(config(**settings, **special, tie_word_embeddings=ties))
    with torch.no_grad():
        # Norms and biases start as ones and zeros, which would hide one that is left out.
        for parameter in (p for p in lm.parameters() if p.dim() == 1):
            parameter.add_(torch.randn_like(parameter) * 0.3)
    lm.eval()
    torch.nn.Module.to(lm, dtype=dtype)
    return lm


@cache
def tokenizer() -> PreTrainedTokenizerFast:
    """Byte-level pairs: every text has an encoding and comes back; few merges, so that words are several tokens."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    merged = [tuple(merge.split(" ")) for merge in MERGES]
    pieces = [*SPECIAL, *alphabet, *(left + right for left, right in merged)]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    core = Tokenizer(models.BPE(vocabulary, [(left, right) for left, right in merged]))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    core.add_special_tokens(list(SPECIAL[:5]))
    core.add_tokens(list(SPECIAL[5:]))
    made = PreTrainedTokenizerFast(
        tokenizer_object=core, pad_token=SPECIAL[PAD], bos_token=SPECIAL[BEGIN], eos_token=SPECIAL[END]
    )
    made.chat_template = TEMPLATE
    return made


def folder(name: str, path: Path, *, seed: int = 0, tied: bool | None = None) -> Path:
    """Write the model and the tokenizer to `path`; returns it."""
    make(name, seed=seed, tied=tied).save_pretrained(path)
    tokenizer().save_pretrained(path)
    return path
