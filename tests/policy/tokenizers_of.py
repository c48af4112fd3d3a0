"""Tokenizers and chat templates in the manner of six model families, small and made here.

What matters is kept: which roles a template takes, what it does with the earlier thinking, which end tokens there are,
whether the tokenizer puts a space before the first word, and which of its added tokens it calls special.
"""

from __future__ import annotations

from dataclasses import dataclass

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast


@dataclass(frozen=True)
class Made:
    """A tokenizer and the end tokens that its model's generation settings name."""

    tokenizer: PreTrainedTokenizerFast
    ends: tuple[int, ...]


def ids_of(tokenizer: PreTrainedTokenizerFast, *words: str) -> tuple[int, ...]:
    """The ids of tokens by their names."""
    found = tokenizer.convert_tokens_to_ids(list(words))
    assert isinstance(found, list)
    return tuple(found)


def _finished(core: Tokenizer, eos: str, template: str | None, bos: str | None = None) -> PreTrainedTokenizerFast:
    made = PreTrainedTokenizerFast(tokenizer_object=core, eos_token=eos, bos_token=bos)
    made.chat_template = template
    return made


def byte_level(special: list[str], plain: list[str], eos: str, template: str | None) -> PreTrainedTokenizerFast:
    """Pairs of bytes as GPT-2 has them; `plain` are added tokens that are not called special (Qwen3's marks)."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = [("Ġ", "t"), ("h", "e"), ("Ġt", "he"), ("Ċ", "Ċ"), ("i", "n"), (":", "Ċ")]
    vocabulary = {piece: i for i, piece in enumerate([*alphabet, *(a + b for a, b in merges)])}
    core = Tokenizer(models.BPE(vocabulary, merges))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    core.decoder = decoders.ByteLevel()
    core.add_special_tokens(special)
    core.add_tokens([AddedToken(word, special=False, normalized=False) for word in plain])
    return _finished(core, eos, template)


def sentence_piece(
    special: list[str], eos: str, template: str | None, *, dummy: str = "prepend", begins: bool = False
) -> PreTrainedTokenizerFast:
    """Words with a mark for the space before them, bytes for what is unknown; `dummy` is how a first word gets one.

    "prepend": as Llama 2, whenever a text is encoded; "first": as Mistral's newer ones; "none": as Gemma.
    `begins`: the tokenizer itself puts the begin token before a text.
    """
    signs = ["▁", *"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,:?!+-*=/()[]<>|_'\\"]
    merges = [("▁", "t"), ("h", "e"), ("▁t", "he"), ("▁", "a"), ("i", "n"), ("▁", "▁")]
    pieces = ["<unk>", "<s>", "</s>", *(f"<0x{i:02X}>" for i in range(256)), *signs, *(a + b for a, b in merges)]
    core = Tokenizer(
        models.BPE({p: i for i, p in enumerate(pieces)}, merges, byte_fallback=True, fuse_unk=True, unk_token="<unk>")
    )
    if dummy == "prepend":
        core.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    elif dummy == "first":
        core.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    else:
        core.normalizer = normalizers.Replace(" ", "▁")
    strip = [] if dummy == "none" else [decoders.Strip(" ", 1, 0)]
    core.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), *strip])
    core.add_special_tokens(["<s>", "</s>", "<unk>", *special])
    if begins:
        core.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return _finished(core, eos, template, bos="<s>")


CHATML = """{%- if messages[0].role != 'system' %}<|im_start|>system
You are helpful.<|im_end|>
{% endif %}{% for m in messages %}<|im_start|>{{ m.role }}
{{ m.content }}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""

# Of earlier answers only what follows the thinking is shown.
QWEN3 = """{% for m in messages %}<|im_start|>{{ m.role }}
{{ m.content.split('</think>')[-1].lstrip('\\n') if m.role == 'assistant' else m.content }}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""

LLAMA3 = """{% if date_string is not defined %}{% set date_string = strftime_now('%d %b %Y') %}{% endif -%}
<|begin_of_text|>{% if messages[0].role == 'system' %}{% set said = messages[0].content | trim %}\
{% set messages = messages[1:] %}{% else %}{% set said = '' %}{% endif -%}
<|start_header_id|>system<|end_header_id|>

Today Date: {{ date_string }}

{{ said }}<|eot_id|>{% for m in messages %}<|start_header_id|>{{ m.role }}<|end_header_id|>

{{ m.content | trim }}<|eot_id|>{% endfor %}{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>

{% endif %}"""

MISTRAL = """{{ bos_token }}{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}\
{{ raise_exception('roles must alternate') }}{% endif %}{% if m.role == 'user' %}[INST] {{ m.content }} [/INST]\
{% elif m.role == 'assistant' %} {{ m.content }}{{ eos_token }}{% else %}{{ raise_exception('only user and \
assistant') }}{% endif %}{% endfor %}"""

GEMMA = """{{ bos_token }}{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}\
{% endif %}{% for m in messages %}<start_of_turn>{{ 'model' if m.role == 'assistant' else m.role }}
{{ m.content | trim }}<end_of_turn>
{% endfor %}{% if add_generation_prompt %}<start_of_turn>model
{% endif %}"""


def qwen25() -> Made:
    made = byte_level(["<|endoftext|>", "<|im_start|>", "<|im_end|>"], [], "<|im_end|>", CHATML)
    return Made(made, ids_of(made, "<|im_end|>", "<|endoftext|>"))


def qwen3() -> Made:
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    made = byte_level(special, ["<think>", "</think>"], "<|im_end|>", QWEN3)
    return Made(made, ids_of(made, "<|im_end|>", "<|endoftext|>"))


def llama3() -> Made:
    special = ["<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>"]
    made = byte_level([*special, "<|eom_id|>", "<|eot_id|>"], [], "<|end_of_text|>", LLAMA3)
    return Made(made, ids_of(made, "<|end_of_text|>", "<|eom_id|>", "<|eot_id|>"))


def smollm2() -> Made:
    return Made(byte_level(["<|endoftext|>", "<|im_start|>", "<|im_end|>"], [], "<|im_end|>", CHATML), ())


def mistral() -> Made:
    return Made(sentence_piece(["[INST]", "[/INST]"], "</s>", MISTRAL, dummy="first"), (2,))


def gemma() -> Made:
    made = sentence_piece(["<start_of_turn>", "<end_of_turn>"], "</s>", GEMMA, dummy="none")
    return Made(made, (2, *ids_of(made, "<end_of_turn>")))


CHATS = {"qwen2.5": qwen25, "qwen3": qwen3, "llama3": llama3, "smollm2": smollm2, "mistral": mistral, "gemma": gemma}
BASES = {
    "gpt2": lambda: Made(byte_level(["<|endoftext|>"], [], "<|endoftext|>", None), ()),
    "llama2": lambda: Made(sentence_piece([], "</s>", None, dummy="prepend", begins=True), (2,)),
    "mistral base": lambda: Made(sentence_piece([], "</s>", None, dummy="first", begins=True), (2,)),
    "gemma base": lambda: Made(sentence_piece([], "</s>", None, dummy="none", begins=True), (2,)),
}
