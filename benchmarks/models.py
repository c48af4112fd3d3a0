"""Models that several benchmarks measure, the prompts they get, and a tokenizer for where no text is needed."""

from __future__ import annotations

import random
from collections.abc import Sequence

import torch
from transformers import PreTrainedModel, Qwen2Config, Qwen2ForCausalLM

from ponder.models.load import load

PROMPT_TOKENS, NEW_TOKENS = 64, 128
# Untrained Qwen2 models by name: hidden size, inner size, layers, heads.
UNTRAINED = {"3m": (256, 768, 4, 4), "15m": (512, 1536, 5, 8)}
Prompt = tuple[int, ...]


class Endless:
    """A tokenizer without an end token; what is measured is ids in, ids out."""

    eos_id = -1
    end_ids = ()

    def encode(self, text: str) -> Prompt:
        raise TypeError(f"this tokenizer has no texts, got {text!r}")

    def decode(self, tokens: Sequence[int]) -> str:
        raise TypeError(f"this tokenizer has no texts, got {len(tokens)} tokens to decode")


def build(name: str, ends: bool = True) -> PreTrainedModel:
    """An untrained one, 3.23M or 15.2M parameters, or what `load` knows.

    Without `ends` an untrained one names no end token, which a trainer would stop at.
    """
    if name not in UNTRAINED:
        return load(name).model
    hidden, inner, layers, heads = UNTRAINED[name]
    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=301,
        hidden_size=hidden,
        intermediate_size=inner,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=2,
        max_position_embeddings=1024,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=1 if ends else None,
        pad_token_id=0 if ends else None,
    )
    model = Qwen2ForCausalLM(config)
    model.eval()
    return model


def prompts(count: int, vocabulary: int) -> list[Prompt]:
    """Random ids, without those of special tokens; the same for every engine."""
    rng = random.Random(f"benchmark/generation/{count}")
    return [tuple(rng.randrange(7, vocabulary) for _ in range(PROMPT_TOKENS)) for _ in range(count)]
