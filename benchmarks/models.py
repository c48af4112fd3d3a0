"""Models that several benchmarks measure: what `load` knows, and `3m`, an untrained Qwen2 of 3.23M parameters."""

from __future__ import annotations

import random

import torch
from transformers import PreTrainedModel, Qwen2Config, Qwen2ForCausalLM

from ponder.models.load import load

PROMPT_TOKENS, NEW_TOKENS = 64, 128
Prompt = tuple[int, ...]


def build(name: str) -> PreTrainedModel:
    """`3m`, or what `load` knows."""
    if name != "3m":
        return load(name).model
    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=301,
        hidden_size=256,
        intermediate_size=768,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=1024,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=1,
        pad_token_id=0,
    )
    model = Qwen2ForCausalLM(config)
    model.eval()
    return model


def prompts(count: int, vocabulary: int) -> list[Prompt]:
    """Random ids, without those of special tokens; the same for every engine."""
    rng = random.Random(f"benchmark/generation/{count}")
    return [tuple(rng.randrange(7, vocabulary) for _ in range(PROMPT_TOKENS)) for _ in range(count)]
