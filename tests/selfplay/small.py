"""A model that is quick to make and settings that are quick to run, for tests of whole runs."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from ponder.models.load import load

SETTINGS = [
    "rounds=2",
    "updates=1",
    "threads=1",
    "problems=['arithmetic?terms=2','countdown?numbers=2']",
    "sampling.problems=4",
    "sampling.group_size=2",
    "sampling.max_tokens=64",
    "verifier.groups=2",
    "verifier.rollouts=2",
    "verifier.most_steps=1",
    "control.batch=8",
    "evaluation.problems=4",
    "evaluation.ladder=2",
    "evaluation.pool_problems=4",
    "evaluation.pool_samples=3",
    "evaluation.beam_problems=1",
    "evaluation.unsolved_problems=2",
    "evaluation.unsolved_tries=2",
    "evaluation.budgets=[64, 128]",
]


def model_folder(folder: Path, seed: int = 0) -> Path:
    """An untrained one-layer Llama with the embedded model's tokenizer."""
    tokenizer = load("tiny").tokenizer
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=1024,
        tie_word_embeddings=False,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
