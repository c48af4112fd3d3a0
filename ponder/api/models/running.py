"""What a model does when it runs: answers, parity of engine and module, speed and memory."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import torch
from transformers import PretrainedConfig, PreTrainedModel

from ponder.api.policies import Policy
from ponder.engines.loop import gather_all
from ponder.engines.loop import run as run_async
from ponder.engines.parity import Gap, module_logprobs
from ponder.protocols import Request
from ponder.thinking import reading_of
from ponder.types import Question, Trajectory

BOXED = r"Think step by step. After your thinking, give the final answer in \boxed{}."
QUESTIONS = (
    Question("sum", "", "What is 17 + 25?", BOXED),
    Question("words", "", "A train has 4 coaches with 30 seats each. 15 seats are empty. How many are taken?", BOXED),
    Question("fact", "", "What is the capital of France?"),
)
_TEXTS = ("One and one is two.", "def f(x):\n    return x + 1\n")
_TIMED = 24  # tokens a row
ROWS = (1, 8)


def answers(policy: Policy, count: int, max_tokens: int) -> list[dict[str, Any]]:
    """Greedy answers to the first `count` questions."""
    asked = [policy.propose.greedy()(q, None, 1, until="end", max_tokens=max_tokens, seed=0) for q in QUESTIONS[:count]]
    found = []
    for question, [leaf] in zip(QUESTIONS, gather_all(asked), strict=False):
        trajectory = Trajectory(question, leaf)
        found.append(
            {
                "question": question.text,
                "text": trajectory.text,
                "answer": policy.propose.answer(trajectory),
                "tokens": len(trajectory),
                "ended": trajectory.finished,
                "graded": reading_of(policy.propose)(trajectory),
            }
        )
    return found


def parity(policy: Policy) -> dict[str, Any]:
    """The largest difference of log-probabilities between the engine and the module's own forward, a few texts."""
    prompt, half = policy.propose.prompts.tokens(QUESTIONS[0]), policy.model.dtype != torch.float32
    texts = [(prompt, policy.codec.encode(text)) for text in _TEXTS]

    async def scored() -> list[tuple[float, ...]]:
        return [await policy.engine.score(before, said) for before, said in texts]

    got = run_async(scored())
    gap = Gap.between([module_logprobs(policy.model, *text) for text in texts], got, half=half)
    kind = str(policy.model.dtype).removeprefix("torch.")
    return {"dtype": kind, "largest": gap.largest, "allowed": gap.allowed, "holds": gap.holds, "tokens": gap.tokens}


def speed(policy: Policy, rows: Sequence[int] = ROWS) -> dict[str, float]:
    """Tokens a second of sampling with that many rows, each a single short measurement."""
    prompt = policy.propose.prompts.tokens(QUESTIONS[0])
    rates = {}
    for count in rows:
        requests = [Request(prompt, _TIMED, seed) for seed in range(count)]
        gather_all([policy.engine.generate(Request(prompt, 1, 0))])  # the prompt is read before the clock starts
        started, before = time.perf_counter(), policy.engine.tokens_generated
        gather_all(policy.engine.generate(request) for request in requests)
        rates[str(count)] = (policy.engine.tokens_generated - before) / (time.perf_counter() - started)
    return rates


def memory(model: PreTrainedModel) -> dict[str, Any]:
    """Bytes of the weights as loaded and in bfloat16, and of the cache for a token of a row."""
    numbers = sum(p.numel() for p in model.parameters())
    return {
        "parameters": numbers,
        "weights": sum(p.numel() * p.element_size() for p in model.parameters()),
        "weights_bfloat16": 2 * numbers,
        "cache_token": _cache_token(model.config.get_text_config()) * model.dtype.itemsize,
    }


def _cache_token(config: PretrainedConfig) -> int:
    """Numbers that the keys and values of one token take, all layers together (windows and sharing left aside)."""
    heads = config.num_attention_heads
    kv_heads = getattr(config, "num_key_value_heads", None) or heads
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // heads
    return 2 * int(config.num_hidden_layers * kv_heads * head_dim)
