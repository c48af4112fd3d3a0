"""Tiny random folders with the class, tensors and tokenizer habits of four published step verifiers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from tokenizers import processors
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from tests.models.families import beginning
from tests.policy.tokenizers_of import CHATML, LLAMA3, byte_level, sentence_piece

HIDDEN = 32
_SIZE: dict[str, Any] = {
    "hidden_size": HIDDEN,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 2048,
    "initializer_range": 0.3,
}
CODE = {"AutoModel": "modeling_qwen2_rm.Qwen2ForProcessRewardModel"}  # a folder that asks for code of its own


def _written(
    folder: Path,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    more: dict[str, torch.Tensor],
    config: dict[str, Any],
    *,
    words: bool = True,
) -> Path:
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    file = folder / "model.safetensors"
    tensors = {name: t for name, t in load_file(file).items() if words or name != "lm_head.weight"}
    save_file(tensors | more, file)
    written = json.loads((folder / "config.json").read_text()) | config
    (folder / "config.json").write_text(json.dumps(written))
    return folder


def qwen_prm(folder: Path) -> Path:
    torch.manual_seed(1)
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    tokenizer = byte_level(special, ["<extra_0>"], "<|im_end|>", CHATML)
    model = Qwen2ForCausalLM(Qwen2Config(vocab_size=len(tokenizer), tie_word_embeddings=False, **_SIZE))
    head = {
        "score.0.weight": torch.randn(HIDDEN, HIDDEN) / 4,
        "score.0.bias": torch.randn(HIDDEN),
        "score.2.weight": torch.randn(2, HIDDEN) / 4,
        "score.2.bias": torch.randn(2),
    }
    told = {"architectures": ["Qwen2ForProcessRewardModel"], "auto_map": CODE}
    return _written(folder, model, tokenizer, head, told, words=False)


def rlhflow(folder: Path) -> Path:
    torch.manual_seed(2)
    special = ["<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]
    tokenizer = beginning(byte_level(special, [], "<|eot_id|>", LLAMA3), "<|begin_of_text|>")
    model = LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), tie_word_embeddings=False, **_SIZE))
    return _written(folder, model, tokenizer, {}, {"_name_or_path": "RLHFlow/Llama3.1-8B-PRM-Deepseek-Data"})


def skywork(folder: Path) -> Path:
    torch.manual_seed(3)
    tokenizer = byte_level(["<|endoftext|>", "<|im_start|>", "<|im_end|>"], [], "<|im_end|>", CHATML)
    tokenizer.bos_token = "<|endoftext|>"
    model = Qwen2ForCausalLM(Qwen2Config(vocab_size=len(tokenizer), tie_word_embeddings=False, **_SIZE))
    head = {"v_head.summary.weight": torch.randn(1, HIDDEN) / 4, "v_head.summary.bias": torch.randn(1)}
    return _written(folder, model, tokenizer, head, {})


def math_shepherd(folder: Path) -> Path:
    torch.manual_seed(4)
    tokenizer = sentence_piece(["ки"], "</s>", None, dummy="prepend", begins=True)
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", 1)]
    )
    model = MistralForCausalLM(
        MistralConfig(vocab_size=len(tokenizer), tie_word_embeddings=False, sliding_window=None, **_SIZE)
    )
    return _written(folder, model, tokenizer, {}, {"_name_or_path": "peiyi9979/math-shepherd-mistral-7b-prm"})


PUBLISHED = {"qwen_prm": qwen_prm, "rlhflow": rlhflow, "skywork": skywork, "math_shepherd": math_shepherd}
