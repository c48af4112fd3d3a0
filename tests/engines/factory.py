"""Small models and a tokenizer for the engine tests, and a Markov model whose every probability is known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from ponder.protocols import Request

PIECES = ("<pad>", "", *"abcdefghijklmnopqrstuvw", "\n", "ab", "bc", " c", "d\ne", "<x>", ".")
EOS = 1
VOCABULARY = len(PIECES)
A, B = PIECES.index("a"), PIECES.index("b")
CONTEXT = 64


class Pieces:
    """A tokenizer with pieces of one to three characters; the end token has no text."""

    eos_id = EOS
    end_ids: tuple[int, ...] = (EOS,)

    def encode(self, text: str) -> tuple[int, ...]:
        tokens: list[int] = []
        while text:
            piece = max((p for p in PIECES[2:] if text.startswith(p)), key=len)
            tokens.append(PIECES.index(piece))
            text = text[len(piece) :]
        return tuple(tokens)

    def decode(self, tokens: Sequence[int]) -> str:
        return "".join(PIECES[token] for token in tokens)


def model(name: str, tied: bool = False, seed: int = 0) -> PreTrainedModel:
    """A random model of a family; `wide NAME` has widths that the compiled forward serves."""
    torch.manual_seed(seed)
    wide, name = name.startswith("wide "), name.removeprefix("wide ")
    # Far from uniform, so that no test passes by symmetry.
    shared: dict[str, Any] = {"vocab_size": VOCABULARY, "initializer_range": 0.3, "tie_word_embeddings": tied}
    shared |= {"bos_token_id": None, "eos_token_id": EOS, "pad_token_id": 0}
    if name == "gpt2":
        return evaluating(GPT2LMHeadModel(GPT2Config(n_embd=16, n_layer=2, n_head=4, n_positions=CONTEXT, **shared)))
    size: dict[str, Any] = {
        "hidden_size": 16,
        "intermediate_size": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
    }
    size |= {"max_position_embeddings": CONTEXT}
    if name == "neox":
        return evaluating(GPTNeoXForCausalLM(GPTNeoXConfig(**size, **shared)))
    families: dict[str, tuple[Any, Any]] = {
        "llama": (LlamaConfig, LlamaForCausalLM),
        "qwen2": (Qwen2Config, Qwen2ForCausalLM),
        "qwen3": (Qwen3Config, Qwen3ForCausalLM),
    }
    config, family = families[name]
    if wide:
        size |= {"hidden_size": 64, "intermediate_size": 96}
        shared |= {"initializer_range": 0.15}
    lm = evaluating(family(config(num_key_value_heads=2, head_dim=32 if wide else 8, **size, **shared)))
    with torch.no_grad():
        # Norms and biases start as ones and zeros, which would hide a norm that is left out.
        for parameter in (p for n, p in lm.named_parameters() if p.dim() == 1):
            parameter.add_(torch.randn_like(parameter) * 0.3)
    return lm


def evaluating(lm: PreTrainedModel) -> PreTrainedModel:
    lm.eval()
    return lm


def markov(transitions: dict[int, dict[int, float]]) -> LlamaForCausalLM:
    """A Llama whose next token depends on the last alone, with the probabilities given; other tokens lead to EOS."""
    width = 2 * VOCABULARY  # even, for the rotation
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=width,
        intermediate_size=8,
        num_hidden_layers=1,
        num_attention_heads=1,
        max_position_embeddings=CONTEXT,
        rms_norm_eps=0.0,
        bos_token_id=None,
        eos_token_id=EOS,
    )
    lm = LlamaForCausalLM(config)
    lm.eval()
    with torch.no_grad():
        for name, parameter in lm.named_parameters():
            parameter.fill_(1.0 if "norm" in name else 0.0)
        lm.model.embed_tokens.weight[:, :VOCABULARY] = torch.eye(VOCABULARY)
        lm.lm_head.weight.fill_(-100.0)
        for token in range(VOCABULARY):
            for after, probability in transitions.get(token, {EOS: 1.0}).items():
                # The norm makes the one-hot vector of width W as long as sqrt(W).
                lm.lm_head.weight[after, token] = math.log(probability) / math.sqrt(width)
    return lm


def reference(
    lm: PreTrainedModel, prompt: Sequence[int], tokens: Sequence[int], temperature: float = 1.0, top_p: float = 1.0
) -> list[float]:
    """Log-probabilities of `tokens` after `prompt` by the library's own forward, within the nucleus of `top_p`.

    Temperature 0 is recorded at 1 over the whole vocabulary.
    """
    with torch.inference_mode():
        logits = lm(torch.tensor([[*prompt, *tokens]])).logits[0, len(prompt) - 1 : -1].float()
    probs_TV = (logits / (temperature or 1.0)).softmax(-1)
    if top_p < 1 and temperature:
        for row in probs_TV:
            order = row.argsort(descending=True).tolist()
            kept = next(n for n in range(1, len(order) + 1) if float(row[order[:n]].sum()) >= top_p - 1e-6)
            row[order[kept:]] = 0.0
        probs_TV /= probs_TV.sum(-1, keepdim=True)
    logprobs: list[float] = probs_TV.log()[range(len(tokens)), list(tokens)].tolist()
    return logprobs


def request(prompt: str | tuple[int, ...], max_tokens: int = 12, seed: int = 0, **other: Any) -> Request:
    tokens = Pieces().encode(prompt) if isinstance(prompt, str) else prompt
    return Request(tokens, max_tokens, seed, **other)


def mixed(count: int, max_tokens: int = 12) -> list[Request]:
    """Requests of unequal length, seed, temperature and top-p."""
    text = "abcdefghijklmnopqrstuvwabcdefghijkl"
    return [
        request(
            text[i % 7 : i % 7 + 1 + (5 * i) % 23],
            max_tokens - i % 4,
            seed=i,
            temperature=(1.0, 0.7, 0.0, 1.3)[i % 4],
            top_p=(1.0, 0.8)[i % 2],
            stop=((), ("\n", "ab"))[i // 2 % 2],
        )
        for i in range(count)
    ]
