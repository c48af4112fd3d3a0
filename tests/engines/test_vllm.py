"""The vLLM engine and the check of its updates.

What needs vLLM runs where it is installed and PONDER_TEST_VLLM=1 says so, never in the default suite; a CPU build does.
"""

from __future__ import annotations

import asyncio
import copy
import gc
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel, Qwen2Config, Qwen2ForCausalLM

from ponder.engines.loop import gather_all, run
from ponder.engines.parity import Parity, module_logprobs
from ponder.engines.publish import folder_of, publish
from ponder.engines.vllm.engine import VllmEngine
from ponder.engines.vllm.probe import Probe
from ponder.models.load import load
from ponder.policy.codec import Codec
from ponder.protocols import Completion, Engine, Request, WeightSource
from ponder.selfplay.config import Run
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


def probe_of(lm: PreTrainedModel, half: bool = False) -> Probe:
    return Probe(half=half, vocabulary=lm.config.vocab_size, ends=(1,))


def test_the_probe_agrees_with_its_own_weights_and_sees_others(tmp_path: Path) -> None:
    lm, other = model("llama", tied=False), model("llama", tied=False, seed=1)
    probe = probe_of(lm)
    expected = probe.expected(WeightSource(path=save(lm, tmp_path / "a")), lm.config)
    own = reference(lm, probe.tokens[:1], probe.tokens[1:])
    assert len(set(probe.tokens)) > 10 and 1 not in probe.tokens
    assert probe.gap(expected, own) < 1e-5 < probe.allowed
    assert probe.expected(WeightSource(tensors=lm.state_dict()), lm.config) == pytest.approx(expected, abs=1e-6)
    assert probe.gap(expected, probe.expected(WeightSource(tensors=other.state_dict()), lm.config)) > 0.1
    assert probe.expected(WeightSource(logprobs=lambda tokens: [-1.0] * (len(tokens) - 1)), lm.config)[0] == -1.0


@pytest.mark.parametrize("tied", [False, True])
def test_the_expected_values_of_tensors_leave_the_senders_weights_alone(tied: bool) -> None:
    lm = model("qwen2", tied=tied)
    before = copy.deepcopy(lm.state_dict())
    probe_of(lm).expected(WeightSource(tensors=lm.state_dict()), lm.config)
    assert all(torch.equal(before[name], value) for name, value in lm.state_dict().items())


def test_one_stale_tensor_is_seen_in_half_precision_too() -> None:
    lm = model("qwen2", tied=True)
    probe = probe_of(lm, half=True)
    expected = probe.expected(WeightSource(tensors=lm.state_dict()), lm.config)
    halved = torch.nn.Module.to(copy.deepcopy(lm), dtype=torch.bfloat16).float()
    assert probe.gap(expected, reference(halved, probe.tokens[:1], probe.tokens[1:])) < probe.allowed
    stale = model("qwen2", tied=False, seed=1)
    stale.load_state_dict({**lm.state_dict(), "lm_head.weight": stale.lm_head.weight})
    assert probe.gap(expected, reference(stale, probe.tokens[:1], probe.tokens[1:])) > 2 * probe.allowed


def test_a_log_probability_that_is_no_number_never_passes() -> None:
    for half in (True, False):
        probe = Probe(half=half, vocabulary=10, ends=(1,))
        assert not probe.gap((0.0, 0.0), (0.0, float("nan"))) <= probe.allowed


def test_without_vllm_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(PonderError, match=r"pip install -e '\.\[vllm\]'"):
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
    """Requests of unequal length, seed, temperature and top-p."""
    text = codec.encode("Make 18 from 3, 6, 1. Compute 23+45-6, and decode abc.")
    return [
        Request(
            text[i % 7 : i % 7 + 1 + (5 * i) % 23],
            max_tokens - i % 4,
            seed=i,
            temperature=(1.0, 0.7, 0.0, 1.3)[i % 4],
            top_p=(1.0, 1.0, 0.6, 0.8, 0.5)[i % 5],
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
    requests = mixed(made.codec, 150)
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
    bad = {"empty": Request((), 5, 0), "top_p=0": Request((5,), 5, 0, top_p=0), "0 to 102": Request((999,), 5, 0)}
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
        run(made.engine.update_weights(WeightSource(path=save(other, tmp_path)), 1))
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
def test_what_runs_ends_under_the_old_weights_and_what_comes_waits_for_the_new_ones(made: Made) -> None:
    if made.tied:
        pytest.skip("the CPU build cannot update tied models")
    other, requests, version = model(made.name, made.tied, seed=6), mixed(made.codec, 8), made.engine.version

    async def drive() -> tuple[list[Completion], list[Completion]]:
        running = [asyncio.create_task(made.engine.generate(r)) for r in requests]
        for _ in range(12):
            await asyncio.sleep(0)
        update = asyncio.create_task(made.engine.update_weights(WeightSource(tensors=other.state_dict()), version + 1))
        await asyncio.sleep(0)
        late = [asyncio.create_task(made.engine.generate(r)) for r in requests]
        with pytest.raises(PonderError, match="requests run: await update_weights"):
            made.engine.replace_weights(made.lm.state_dict(), version + 1)
        await update
        assert made.engine.version == version + 1
        return await asyncio.gather(*running), await asyncio.gather(*late)

    try:
        before, after = run(drive())
        assert {c.version for c in before} == {version} and {c.version for c in after} == {version + 1}
        for r, old, new in zip(requests, before, after, strict=True):
            for lm, c in ((made.lm, old), (other, new)):
                exact = reference(lm, r.prompt, c.tokens, r.temperature, r.top_p)
                assert c.logprobs == pytest.approx(exact, abs=1e-4)
        with pytest.raises(PonderError, match="are refused"):
            run(made.engine.update_weights(WeightSource(tensors=made.lm.state_dict()), version))
        with folder_of(made.lm.state_dict(), made.lm.config) as path:
            run(made.engine.update_weights(WeightSource(path=path), version + 2))
        assert not path.exists()
        score = run(made.engine.score((2, 3, 4), (5, 6, 7)))
        assert score == pytest.approx(reference(made.lm, (2, 3, 4), (5, 6, 7)), abs=1e-4)
    finally:
        made.engine.replace_weights(made.lm.state_dict(), version + 3)


@needs_vllm
def test_two_updates_of_a_trainer_are_followed_and_checked_against_its_own_forward(made: Made) -> None:
    if made.tied:
        pytest.skip("the CPU build cannot update tied models")
    trainer, requests = copy.deepcopy(made.lm), mixed(made.codec, 8)
    optimizer = torch.optim.AdamW(trainer.parameters(), lr=0.02)
    last: list[tuple[int, ...]] = []

    def own(prompt: Sequence[int], continuation: Sequence[int]) -> tuple[float, ...]:
        return module_logprobs(trainer, prompt, continuation)

    async def play() -> None:
        for _ in range(2):
            found = await asyncio.gather(*(made.engine.generate(r) for r in requests))
            assert [c.tokens for c in found] != last
            last[:] = [c.tokens for c in found]
            for r, c in zip(requests, found, strict=True):
                ids = torch.tensor([[*r.prompt, *c.tokens]])
                trainer(input_ids=ids, labels=ids).loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            version = made.engine.version + 1
            state = trainer.state_dict()
            await publish(made.engine, state, version, trainer.config, logprobs=lambda t: own(t[:1], t[1:]))
            texts = [(r.prompt, c.tokens) for r, c in zip(requests, found, strict=True)]
            gap = await Parity().check(made.engine, own, texts, version)
            assert gap is not None and gap.largest < 1e-4

    try:
        run(play())
    finally:
        made.engine.replace_weights(made.lm.state_dict(), made.engine.version + 1)


@needs_vllm
def test_a_run_trains_two_rounds_on_vllm(tmp_path: Path) -> None:
    """In a process of its own: vLLM allows one engine in each."""
    if "engine" not in Run.model_fields:
        pytest.skip("`ponder run` has no setting engine yet")
    folder, out = save(model("qwen2", tied=False), tmp_path / "model"), tmp_path / "run"
    settings = (
        *(
            "engine.kind=vllm",
            "engine.context=200",
            "rounds=2",
            "updates=1",
            "control.enabled=false",
            "control.rejection=false",
        ),
        *("sampling.problems=2", "sampling.group_size=2", "sampling.max_tokens=48", "verifier.groups=2"),
        *("evaluation.problems=2", "evaluation.ladder=2", "evaluation.pool_problems=2", "evaluation.pool_samples=2"),
        *("evaluation.beam_problems=2", "evaluation.unsolved_problems=2", "evaluation.budgets=[32]"),
    )
    command = [sys.executable, "-m", "ponder", "run", "--model", str(folder), "--out", str(out)]
    command += ["--problems", "arithmetic"] + [part for s in settings for part in ("--set", s)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    played = [row for row in rows if row["round"] >= 0]
    assert [row["round"] for row in played] == [0, 1]
    assert all(row["metrics"]["parity_gap"] < 1e-4 for row in played)
    assert (out / "report.html").exists()
