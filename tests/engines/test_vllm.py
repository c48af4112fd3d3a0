"""The vLLM engine and the check of its updates.

What needs vLLM runs where it is installed and PONDER_TEST_VLLM=1 says so, never in the default suite; a CPU build does.
"""

from __future__ import annotations

import asyncio
import copy
import gc
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel, Qwen2Config, Qwen2ForCausalLM

from ponder.engines.loop import gather_all, run
from ponder.engines.parity import Parity
from ponder.engines.vllm.engine import VllmEngine
from ponder.models.load import load
from ponder.policy.codec import Codec
from ponder.protocols import Completion, Engine, Request
from ponder.types import PonderError, StopReason
from tests.engines.factory import reference

CONTEXT = 160
needs_vllm = pytest.mark.skipif(os.environ.get("PONDER_TEST_VLLM") != "1", reason="opt-in: PONDER_TEST_VLLM=1")


def model(name: str, tied: bool, seed: int = 0) -> PreTrainedModel:
    """Random and far from uniform, with a head size that vLLM has kernels for on every platform."""
    codec = Codec(load("tiny").tokenizer)
    families: dict[str, tuple[Any, Any]] = {
        "llama": (LlamaConfig, LlamaForCausalLM),
        "qwen2": (Qwen2Config, Qwen2ForCausalLM),
    }
    config, family = families[name]
    torch.manual_seed(seed)
    lm: PreTrainedModel = family(
        config(
            vocab_size=len(codec.tokenizer),
            hidden_size=64,
            intermediate_size=96,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=1,
            max_position_embeddings=512,
            initializer_range=0.2,
            tie_word_embeddings=tied,
            bos_token_id=None,
            eos_token_id=codec.eos_id,
            pad_token_id=codec.pad_id,
        )
    )
    lm.eval()
    return lm


def save(lm: PreTrainedModel, folder: Path) -> Path:
    lm.save_pretrained(folder)
    load("tiny").tokenizer.save_pretrained(folder)
    return folder


# The check itself, on models of the library alone.


def test_the_probe_agrees_with_its_own_weights_and_sees_others(tmp_path: Path) -> None:
    lm = model("llama", tied=False)
    parity = Parity(half=False, vocabulary=lm.config.vocab_size, eos=1)
    expected = parity.expected(save(lm, tmp_path / "a"))
    own = reference(lm, parity.tokens[:1], parity.tokens[1:])
    assert len(set(parity.tokens)) > 10 and 1 not in parity.tokens
    assert parity.gap(expected, own) < 1e-5 < parity.allowed
    other = parity.expected(save(model("llama", tied=False, seed=1), tmp_path / "b"))
    assert parity.gap(expected, other) > 100 * parity.allowed


def test_one_stale_tensor_is_seen_in_half_precision_too(tmp_path: Path) -> None:
    lm = model("qwen2", tied=True)
    parity = Parity(half=True, vocabulary=lm.config.vocab_size, eos=1)
    expected = parity.expected(save(lm, tmp_path))
    halved = torch.nn.Module.to(copy.deepcopy(lm), dtype=torch.bfloat16).float()
    assert parity.gap(expected, reference(halved, parity.tokens[:1], parity.tokens[1:])) < parity.allowed
    stale = model("qwen2", tied=False, seed=1)
    stale.load_state_dict({**lm.state_dict(), "lm_head.weight": stale.lm_head.weight})
    assert parity.gap(expected, reference(stale, parity.tokens[:1], parity.tokens[1:])) > 4 * parity.allowed


def test_a_log_probability_that_is_no_number_never_passes() -> None:
    for half in (True, False):
        parity = Parity(half=half, vocabulary=10, eos=1)
        assert not parity.gap((0.0, 0.0), (0.0, float("nan"))) <= parity.allowed


def test_without_vllm_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(PonderError, match=r"pip install 'ponder\[vllm\]'"):
        VllmEngine(tmp_path, Codec(load("tiny").tokenizer))


# What every engine promises, on vLLM.


@dataclass
class Made:
    """An engine, the model whose weights it started with, and what kind that is."""

    engine: VllmEngine
    lm: PreTrainedModel
    codec: Codec
    name: str
    tied: bool


@pytest.fixture(scope="module", params=["qwen2", "llama", "qwen2 tied", "llama tied"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    name, _, tied = request.param.partition(" ")
    lm, codec = model(name, bool(tied)), Codec(load("tiny").tokenizer)
    folder = save(lm, tmp_path_factory.mktemp("start"))
    yield Made(VllmEngine(folder, codec, context=CONTEXT), lm, codec, name, bool(tied))
    gc.collect()


def mixed(codec: Codec, count: int, max_tokens: int = 12) -> list[Request]:
    """Requests of unequal length, seed and temperature."""
    text = codec.encode("Make 18 from 3, 6, 1. Compute 23+45-6, and decode abc.")
    return [
        Request(
            text[i % 7 : i % 7 + 1 + (5 * i) % 23],
            max_tokens - i % 4,
            seed=i,
            temperature=(1.0, 0.7, 0.0, 1.3)[i % 4],
            stop=((), ("\n", "1"))[i // 2 % 2],
        )
        for i in range(count)
    ]


@needs_vllm
def test_it_is_an_engine(made: Made) -> None:
    assert isinstance(made.engine, Engine)
    assert made.engine.context == CONTEXT


@needs_vllm
def test_log_probabilities_equal_those_of_the_library(made: Made) -> None:
    requests = mixed(made.codec, 24)
    for r, c in zip(requests, gather_all(made.engine.generate(r) for r in requests), strict=True):
        assert c.tokens
        assert c.logprobs == pytest.approx(reference(made.lm, r.prompt, c.tokens, r.temperature, r.top_p), abs=1e-4)


@needs_vllm
def test_scores_equal_those_of_the_library_up_to_the_whole_context(made: Made) -> None:
    pairs = [(tuple(range(2, 4 + i)), tuple(range(3, 4 + i * 7 % 11))) for i in range(12)]
    pairs.append(((2,) * 100, tuple(3 + i % 50 for i in range(CONTEXT - 100))))
    for (prompt, continuation), scored in zip(pairs, gather_all(made.engine.score(*p) for p in pairs), strict=True):
        assert scored == pytest.approx(reference(made.lm, prompt, continuation), abs=1e-4)
    assert run(made.engine.score((2, 3), ())) == ()
    with pytest.raises(PonderError, match=f"at most {CONTEXT}"):
        run(made.engine.score((2,) * CONTEXT, (2,)))


@needs_vllm
def test_a_request_draws_the_same_tokens_alone_and_in_a_batch_of_any_size(made: Made) -> None:
    requests = mixed(made.codec, 24)
    together = gather_all(made.engine.generate(r) for r in requests)
    for r, other in zip(requests, together, strict=True):
        one = run(made.engine.generate(r))
        assert (one.tokens, one.stop) == (other.tokens, other.stop)


@needs_vllm
def test_the_end_of_each_completion_fits_its_reason(made: Made) -> None:
    requests = mixed(made.codec, 60)
    eos, decode = made.codec.eos_id, made.codec.decode
    completions = gather_all(made.engine.generate(r) for r in requests)
    for r, c in zip(requests, completions, strict=True):
        assert eos not in c.tokens[:-1]
        assert not any(s in decode(c.tokens[:-1]) for s in r.stop)
        assert (c.stop is StopReason.END) == (c.tokens[-1] == eos)
        assert (c.stop is StopReason.STEP) == any(s in decode(c.tokens) for s in r.stop)
        assert (c.stop is StopReason.LENGTH) <= (len(c.tokens) == r.max_tokens)
    assert {c.stop for c in completions} == {StopReason.END, StopReason.STEP, StopReason.LENGTH}


@needs_vllm
def test_the_context_cuts_and_a_full_prompt_gives_nothing(made: Made) -> None:
    completions = gather_all(made.engine.generate(Request((5,) * (CONTEXT - 3), 50, seed=i)) for i in range(20))
    cut = [c for c in completions if c.stop is not StopReason.END]
    assert cut and all((c.stop, len(c.tokens)) == (StopReason.CONTEXT, 3) for c in cut)
    assert run(made.engine.generate(Request((5,) * CONTEXT, 5, seed=0))).stop is StopReason.CONTEXT
    bad = {"empty": Request((), 5, 0), "top_p=0.5": Request((5,), 5, 0, top_p=0.5), "0 to 102": Request((999,), 5, 0)}
    for words, request in bad.items():
        with pytest.raises(PonderError, match=words):
            run(made.engine.generate(request))


@needs_vllm
def test_prompts_share_their_prefix_and_the_count_is_exact(made: Made) -> None:
    prompt = tuple(3 + (i * i) % 90 for i in range(140))
    before = (made.engine.tokens_prefilled, made.engine.tokens_reused)
    completions = [run(made.engine.generate(Request(prompt, 4, seed=i))) for i in range(3)]
    assert all(c.computed + c.reused == 140 for c in completions)
    assert completions[0].reused == 0 and completions[2].reused >= 112
    after = (made.engine.tokens_prefilled, made.engine.tokens_reused)
    assert [b - a for a, b in zip(before, after, strict=True)] == [
        sum(c.computed for c in completions),
        sum(c.reused for c in completions),
    ]


@needs_vllm
def test_a_cancelled_request_leaves_the_batch_and_the_others_as_they_were(made: Made) -> None:
    requests = mixed(made.codec, 8)
    expected = [c.tokens for c in gather_all(made.engine.generate(r) for r in requests)]

    async def cancel_some() -> list[tuple[int, ...]]:
        tasks = [asyncio.create_task(made.engine.generate(r)) for r in requests]
        await asyncio.sleep(0)
        tasks[0].cancel()
        tasks[3].cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(ended[0], asyncio.CancelledError)
        return [c.tokens for c in ended if isinstance(c, Completion)]

    assert run(cancel_some()) == [t for i, t in enumerate(expected) if i not in (0, 3)]
    assert made.engine.active == 0


@needs_vllm
def test_new_weights_are_used_or_refused_and_never_silently_wrong(made: Made, tmp_path: Path) -> None:
    other, requests, refused = model(made.name, made.tied, seed=5), mixed(made.codec, 12), ""
    try:
        made.engine.load_weights(save(other, tmp_path), 1)
    except PonderError as error:
        refused = str(error)
    if refused:
        # The fault of the CPU build: the tied head keeps the weights of the start.
        assert made.tied and "after the update to version 1 log-probabilities differ by" in refused
        assert made.engine.version == 0
        with pytest.raises(PonderError, match="load weights that pass first"):
            run(made.engine.generate(requests[0]))
    else:
        for r, c in zip(requests, gather_all(made.engine.generate(r) for r in requests), strict=True):
            assert c.version == 1
            assert c.logprobs == pytest.approx(reference(other, r.prompt, c.tokens, r.temperature, r.top_p), abs=1e-4)
    made.engine.replace_weights(made.lm.state_dict(), 2)
    completions = gather_all(made.engine.generate(r) for r in requests)
    for r, c in zip(requests, completions, strict=True):
        assert c.version == 2
        assert c.logprobs == pytest.approx(reference(made.lm, r.prompt, c.tokens, r.temperature, r.top_p), abs=1e-4)


@needs_vllm
def test_weights_are_not_replaced_under_a_running_request(made: Made) -> None:
    async def replace_while_running() -> None:
        task = asyncio.create_task(made.engine.generate(mixed(made.codec, 1)[0]))
        await asyncio.sleep(0)
        try:
            with pytest.raises(PonderError, match="1 requests run"):
                made.engine.replace_weights({}, 1)
        finally:
            await task

    run(replace_while_running())
