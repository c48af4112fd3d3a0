"""New weights under running requests: what each token was drawn by, sharing with a trainer, casting, all or nothing."""

from __future__ import annotations

import asyncio
import copy
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import PreTrainedModel

from ponder.engines.local.engine import LocalEngine
from ponder.engines.loop import gather_all, run
from ponder.engines.parity import module_logprobs
from ponder.protocols import Completion, Request, WeightSource
from ponder.types import PonderError
from tests.engines.factory import EOS, A, B, Pieces, markov, mixed, model, reference, request

NAMES = ("llama", "wide qwen3", "gpt2")


def published(engine: LocalEngine, requests: list[Request], state: dict[str, torch.Tensor], turns: int):
    """All requests, with an update after so many turns of the event loop."""

    async def drive() -> list[Completion]:
        tasks = [asyncio.create_task(engine.generate(r)) for r in requests]
        for _ in range(turns):
            await asyncio.sleep(0)
        await engine.update_weights(WeightSource(tensors=state), engine.version + 1)
        return await asyncio.gather(*tasks)

    return run(drive())


@pytest.mark.parametrize("name", NAMES)
def test_every_token_is_drawn_by_the_version_that_it_names(name: str):
    old, new = model(name), model(name, seed=5)
    engine = LocalEngine(copy.deepcopy(old), Pieces())
    requests = mixed(24, 20)
    found = published(engine, requests, new.state_dict(), 14)
    spanning = [c for c in found if c.versions]
    assert len(spanning) > 5
    for r, c in zip(requests, found, strict=True):
        by = c.versions or (c.version,) * len(c.tokens)
        assert list(by) == sorted(by) and by[0] == c.version and len(by) == len(c.tokens)
        exact = [reference(lm, r.prompt, c.tokens, r.temperature, r.top_p) for lm in (old, new)]
        assert c.logprobs == pytest.approx([exact[v][i] for i, v in enumerate(by)], abs=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_what_follows_an_update_is_what_the_new_weights_say_after_the_text_so_far(name: str):
    old, new = model(name), model(name, seed=5)
    requests = [request("abcab"[: 1 + i % 5], 20, seed=i) for i in range(12)]
    found = published(LocalEngine(copy.deepcopy(old), Pieces()), requests, new.state_dict(), 12)
    fresh = LocalEngine(new, Pieces())
    for r, c in zip(requests, found, strict=True):
        if c.versions:
            head = c.versions.count(0)
            rest = request(r.prompt + c.tokens[:head], r.max_tokens - head, seed=r.seed)
            assert run(fresh.generate(rest)).tokens == c.tokens[head:]


def test_a_stop_string_may_begin_under_the_old_weights_and_end_under_the_new_ones():
    engine = LocalEngine(markov({A: {A: 1.0}}), Pieces())
    # Under the old weights only a, under the new ones b after a: the string "aab" spans both.
    [found] = published(engine, [request("a", 40, stop=("aab",))], markov({A: {B: 1.0}}).state_dict(), 20)
    assert found.versions and found.tokens[-3:] == (A, A, B) and found.versions[-3:] == (0, 0, 1)


def test_what_the_new_weights_read_again_is_counted():
    engine = LocalEngine(markov({A: {A: 1.0}}), Pieces())
    [found] = published(engine, [request("aaa", 30)], markov({A: {A: 0.5, B: 0.5}}).state_dict(), 20)
    head = found.versions.count(0)
    assert 0 < head < 30 and found.computed + found.reused == 3 + 3 + head
    assert engine.tokens_prefilled == found.computed


@pytest.mark.parametrize("name", NAMES)
def test_a_refused_update_changes_nothing_for_what_runs_or_comes(name: str):
    engine = LocalEngine(model(name), Pieces())
    requests = mixed(10, 20)
    expected = [c.tokens for c in gather_all(engine.generate(r) for r in requests)]
    broken = dict(model(name, seed=5).state_dict())
    last = list(broken)[-1]
    broken[last] = broken[last].clone()
    broken[last].view(-1)[0] = math.nan

    async def drive() -> list[Completion]:
        tasks = [asyncio.create_task(engine.generate(r)) for r in requests]
        for _ in range(12):
            await asyncio.sleep(0)
        with pytest.raises(PonderError, match="not finite"):
            await engine.update_weights(WeightSource(tensors=broken), 1)
        with pytest.raises(PonderError, match="takes weights as tensors"):
            await engine.update_weights(WeightSource(path=Path("nowhere")), 1)
        return await asyncio.gather(*tasks)

    assert [c.tokens for c in run(drive())] == expected
    assert engine.version == 0
    assert [c.tokens for c in gather_all(engine.generate(r) for r in requests)] == expected


def test_float32_weights_are_cast_into_a_bfloat16_engine():
    engine = LocalEngine(model("llama"), Pieces(), dtype=torch.bfloat16)
    new = model("llama", seed=5)
    engine.replace_weights(new.state_dict(), 1)
    rounded = copy.deepcopy(new)
    torch.nn.Module.to(rounded, dtype=torch.bfloat16)
    for name, parameter in engine._model.named_parameters():
        assert torch.equal(parameter, rounded.get_parameter(name))
    scored = run(engine.score((2, 3, 4), (5, 6, 7)))
    assert scored == pytest.approx(module_logprobs(rounded, (2, 3, 4), (5, 6, 7)), abs=0.15)


# Weights that stay the trainer's.


def step(lm: PreTrainedModel, rate: float = 0.5, **options: Any) -> None:
    """One optimizer step, in place as a trainer makes it."""
    optimizer = torch.optim.AdamW(lm.parameters(), lr=rate, **options)
    ids = torch.tensor([[2, 3, 4, 5, 6, 7]])
    lm(input_ids=ids, labels=ids).loss.backward()
    optimizer.step()


@pytest.mark.parametrize("name", NAMES)
def test_a_shared_engine_copies_no_parameter_and_follows_the_trainer_when_told(name: str):
    lm = model(name)
    engine = LocalEngine(lm, Pieces(), shared=True)
    assert engine._model is lm
    for version in (1, 2):
        step(lm)
        run(engine.update_weights(WeightSource(tensors=lm.state_dict()), version))
        requests = mixed(8)
        for r, c in zip(requests, gather_all(engine.generate(r) for r in requests), strict=True):
            assert c.version == version
            assert c.logprobs == pytest.approx(reference(lm, r.prompt, c.tokens, r.temperature, r.top_p), abs=1e-4)


@pytest.mark.parametrize("options", [{}, {"foreach": True}, {"fused": True}])
@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_sampled_between_a_trainers_step_and_its_update(name: str, options: dict[str, bool]):
    lm = model(name)
    engine = LocalEngine(lm, Pieces(), shared=True)
    run(engine.generate(request("abc")))
    step(lm, **options)
    with pytest.raises(PonderError, match="changed and not yet published"):
        run(engine.generate(request("abc")))
    with pytest.raises(PonderError, match="changed and not yet published"):
        run(engine.score((2, 3), (4,)))
    engine.replace_weights(lm.state_dict(), 1)
    assert run(engine.generate(request("abc"))).version == 1


def test_a_shared_engine_never_writes_over_the_trainers_weights():
    lm = model("llama")
    before = copy.deepcopy(lm.state_dict())
    engine = LocalEngine(lm, Pieces(), shared=True)
    with pytest.raises(PonderError, match="would be written over the trainer's"):
        engine.replace_weights(model("llama", seed=5).state_dict(), 1)
    assert all(torch.equal(before[name], value) for name, value in lm.state_dict().items())
    assert engine.version == 0
    with pytest.raises(PonderError, match="can be shared only as they are"):
        LocalEngine(lm, Pieces(), shared=True, dtype=torch.bfloat16)


def test_several_end_tokens_end_a_text_alike():
    class Two(Pieces):
        end_ids = (EOS, B)

    engine = LocalEngine(markov({A: {A: 0.6, B: 0.2, EOS: 0.2}}), Two())
    found = gather_all(engine.generate(request("a", 60, seed=i)) for i in range(40))
    assert {c.tokens[-1] for c in found} == {B, EOS}
    assert all(set(c.tokens[:-1]) <= {A} for c in found)
