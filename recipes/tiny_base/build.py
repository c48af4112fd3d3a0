"""The untrained tiny model: a Llama-shaped decoder of 0.6M parameters and a tokenizer of single characters.

The architecture is a standard one that transformers and vLLM both load. Embeddings are not tied: an engine that keeps
a packed copy of a tied output head has been seen to go on using the old one after a weight update.
"""

from __future__ import annotations

import string

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

SPECIALS = ["<pad>", "<eos>", "<unk>", "<user>", "<assistant>", "<think>", "</think>"]
CHARACTERS = ["\n", *(c for c in string.printable if c.isprintable())]
CONTEXT = 1024
# System messages are left out on purpose: this model was trained on bare questions.
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] == 'user' %}<user>{{ message['content'] }}"
    "{% elif message['role'] == 'assistant' %}<assistant>{{ message['content'] }}<eos>{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}<assistant><think>{{ '\n' }}{% endif %}"
)


def tokenizer() -> PreTrainedTokenizerFast:
    """Every printable ASCII character and the newline is one token; digits are single; anything else is <unk>."""
    vocabulary = {token: i for i, token in enumerate([*SPECIALS, *CHARACTERS])}
    core = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    core.decoder = decoders.Fuse()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=core,
        pad_token="<pad>",
        eos_token="<eos>",
        unk_token="<unk>",
        additional_special_tokens=["<user>", "<assistant>", "<think>", "</think>"],
        model_max_length=CONTEXT,
        clean_up_tokenization_spaces=False,
    )
    fast.chat_template = CHAT_TEMPLATE
    return fast


def model(vocabulary: int, seed: int, width: int = 128) -> LlamaForCausalLM:
    """Random weights; with half the `width` (a multiple of 8) a quarter of the parameters."""
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=width // 4,
        max_position_embeddings=CONTEXT,
        rope_parameters={"rope_type": "default", "rope_theta": 10_000.0},
        tie_word_embeddings=False,
        pad_token_id=0,
        eos_token_id=1,
        bos_token_id=None,
        attention_dropout=0.0,
    )
    return LlamaForCausalLM(config)
