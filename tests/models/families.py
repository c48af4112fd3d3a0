"""Folders in the manner of eight chat families and two base models: tokenizer, template, end tokens, tiny weights.

What matters is kept: who names which end token, who writes the begin token, which roles a template takes, and what it
does about thinking. The templates are short ones of our own.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from tokenizers import processors
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from tests.policy.tokenizers_of import (
    CHATML,
    GEMMA,
    LLAMA3,
    MISTRAL,
    QWEN3,
    Made,
    byte_level,
    ids_of,
    sentence_piece,
)

# Qwen3's has a switch; off, it writes a closed empty thought.
SWITCH = QWEN3.replace(
    "{% endif %}",
    "{% if enable_thinking is defined and not enable_thinking %}{{ '<think>\\n\\n</think>\\n' }}{% endif %}{% endif %}",
)
PHI = """{% for m in messages %}<|{{ m.role }}|>
{{ m.content }}<|end|>
{% endfor %}{% if add_generation_prompt %}<|assistant|>
{% else %}{{ eos_token }}{% endif %}"""
DEEPSEEK = """{{ bos_token }}{% for m in messages %}{% if m.role == 'system' %}{{ m.content }}{% elif m.role == 'user' \
%}<|User|>{{ m.content }}{% else %}<|Assistant|>{{ m.content.split('</think>')[-1] }}<|end_of_sentence|>{% endif %}\
{% endfor %}{% if add_generation_prompt %}<|Assistant|><think>
{% endif %}"""


def beginning(made: PreTrainedTokenizerFast, token: str) -> PreTrainedTokenizerFast:
    """`made`, putting `token` before every text that is encoded plainly."""
    made.bos_token = token
    at = ids_of(made, token)[0]
    made.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{token} $A", special_tokens=[(token, at)]
    )
    return made


def _qwen25() -> Made:
    made = byte_level(["<|endoftext|>", "<|im_start|>", "<|im_end|>"], [], "<|im_end|>", CHATML)
    return Made(made, ids_of(made, "<|im_end|>", "<|endoftext|>"))


def _qwen3() -> Made:
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    made = byte_level(special, ["<think>", "</think>"], "<|im_end|>", SWITCH)
    return Made(made, ids_of(made, "<|im_end|>", "<|endoftext|>"))


def _llama3() -> Made:
    special = ["<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>"]
    made = byte_level([*special, "<|eom_id|>", "<|eot_id|>"], [], "<|eot_id|>", LLAMA3)
    return Made(beginning(made, "<|begin_of_text|>"), ids_of(made, "<|end_of_text|>", "<|eom_id|>", "<|eot_id|>"))


def _gemma() -> Made:
    made = sentence_piece(["<start_of_turn>", "<end_of_turn>"], "</s>", GEMMA, dummy="none", begins=True)
    return Made(made, (2,))  # as in early releases: the turn's end stands in the template alone


def _mistral() -> Made:
    return Made(sentence_piece(["[INST]", "[/INST]"], "</s>", MISTRAL, dummy="first", begins=True), (2,))


def _phi() -> Made:
    special = ["<|endoftext|>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>"]
    made = byte_level(special, [], "<|endoftext|>", PHI)
    return Made(made, ids_of(made, "<|endoftext|>"))


def _deepseek() -> Made:
    special = ["<|begin_of_sentence|>", "<|end_of_sentence|>"]
    plain = ["<|User|>", "<|Assistant|>", "<think>", "</think>"]
    made = byte_level(special, plain, "<|end_of_sentence|>", DEEPSEEK)
    return Made(beginning(made, "<|begin_of_sentence|>"), ids_of(made, "<|end_of_sentence|>"))


def _smollm2() -> Made:
    return Made(byte_level(["<|endoftext|>", "<|im_start|>", "<|im_end|>"], [], "<|im_end|>", CHATML), ())


def _gpt2() -> Made:
    return Made(byte_level(["<|endoftext|>"], [], "<|endoftext|>", None), ())


def _llama2() -> Made:
    return Made(sentence_piece([], "</s>", None, dummy="prepend", begins=True), (2,))


FAMILIES: dict[str, Callable[[], Made]] = {
    "qwen2.5": _qwen25,
    "qwen3": _qwen3,
    "llama3": _llama3,
    "gemma": _gemma,
    "mistral": _mistral,
    "phi": _phi,
    "deepseek": _deepseek,
    "smollm2": _smollm2,
    "gpt2 base": _gpt2,
    "llama2 base": _llama2,
}


def write(name: str, folder: Path, *, rows: int | None = None) -> Path:
    """The folder of a family with untrained weights; `rows` is another size of its embedding."""
    made = FAMILIES[name]()
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=rows or len(made.tokenizer),
        hidden_size=32,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=512,
        eos_token_id=made.tokenizer.eos_token_id,
        bos_token_id=None,
    )
    model = LlamaForCausalLM(config)
    model.generation_config = GenerationConfig(eos_token_id=list(made.ends) or None)
    model.save_pretrained(folder)
    made.tokenizer.save_pretrained(folder)
    return folder
