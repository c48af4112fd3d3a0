"""The compiled forward and drawing against torch's operations, and what they promise to the last bit."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from ponder.engines.cpu.draw import draw
from ponder.engines.cpu.forward import even, native
from ponder.engines.cpu.slots import TiledSlots, load
from ponder.engines.local import sampling
from ponder.engines.local.engine import LocalEngine
from ponder.engines.local.lean_decode import LeanDecoder
from ponder.engines.local.packed_weights import pack
from ponder.engines.local.prefix.arena import Arena
from ponder.engines.loop import gather_all, run
from ponder.models.lean import Shape
from ponder.models.load import load as load_model
from ponder.native import compiler
from ponder.policy.codec import Codec
from ponder.protocols import Completion, Request
from ponder.seeds import derive_seed
from ponder.types import PonderError
from tests.engines.factory import CONTEXT, VOCABULARY, Pieces, mixed, model, reference

needs_compiler = pytest.mark.skipif(compiler._compiler() is None, reason="no C++ compiler here")
FAMILIES = ["wide llama", "wide qwen2", "wide qwen3"]
PROMPTS = [(2, 3, 4), (5,), tuple(range(2, 22)), (7, 8, 9, 10), tuple((i * 7) % 29 + 2 for i in range(50))]


@pytest.fixture
def without_compiler(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("PONDER_NATIVE", "0")
    compiler.library.cache_clear()
    yield
    compiler.library.cache_clear()


def decoded(name: str) -> tuple[LeanDecoder, torch.Tensor, torch.Tensor]:
    """Logits of prompts and three steps, and what is kept of every token in the order of the texts."""
    decoder = LeanDecoder(model(name), CONTEXT, 8, 1 << 20)
    steps = [decoder.prefill(PROMPTS).logits_BV]
    lengths = np.array([len(p) for p in PROMPTS])
    steps += [decoder.decode((lengths + 3 * i) % VOCABULARY, lengths + i) for i in range(3)]
    cells = np.concatenate([decoder._cells[row, : length + 3] for row, length in enumerate(lengths)])
    arena = decoder.trunk.arena
    return decoder, torch.stack(steps), torch.cat([arena.kv.flatten(1), arena.hidden], dim=1)[torch.from_numpy(cells)]


@needs_compiler
@pytest.mark.parametrize("name", FAMILIES)
def test_the_compiled_forward_computes_what_torch_computes(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = decoded(name)
    monkeypatch.setenv("PONDER_NATIVE", "0")
    compiler.library.cache_clear()
    torchs = decoded(name)
    compiler.library.cache_clear()
    assert (mine[0].compiled, torchs[0].compiled) == (True, False)
    for ours, theirs in zip(mine[1:], torchs[1:], strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


@needs_compiler
@pytest.mark.parametrize("name", FAMILIES)
def test_log_probabilities_are_those_of_transformers(name: str) -> None:
    lm = model(name)
    requests = mixed(16)
    for r, c in zip(
        requests, gather_all(LocalEngine(model(name), Pieces()).generate(r) for r in requests), strict=True
    ):
        assert c.logprobs == pytest.approx(reference(lm, r.prompt, c.tokens, r.temperature, r.top_p), abs=1e-4)


def said(engine: LocalEngine, requests: list[Request]) -> list[Completion]:
    return [dataclasses.replace(c, computed=0, reused=0) for c in gather_all(engine.generate(r) for r in requests)]


@needs_compiler
def test_a_request_is_answered_to_the_last_bit_as_if_it_were_alone() -> None:
    tiny = load_model("tiny")
    prompts = [tuple(range(5, 9 + 3 * i)) for i in range(30)]
    requests = [Request(p, 40, derive_seed("bits", i), temperature=0.5 + i / 30) for i, p in enumerate(prompts)]
    together = said(LocalEngine(tiny.model, Codec(tiny.tokenizer)), requests)
    kept = LocalEngine(
        tiny.model, Codec(tiny.tokenizer), keep_texts=True, max_batch=3
    )  # other batches, known beginnings
    assert [said(kept, [r])[0] for r in requests[::-1]][::-1] == together
    assert said(kept, requests) == together


@needs_compiler
def test_scores_are_to_the_last_bit_what_was_recorded_when_it_was_drawn() -> None:
    tiny = load_model("tiny")
    engine = LocalEngine(tiny.model, Codec(tiny.tokenizer))
    requests = [Request(tuple(range(5, 12 + i)), 30, i) for i in range(6)]
    drawn = gather_all(engine.generate(r) for r in requests)
    scored = gather_all(engine.score(r.prompt, c.tokens) for r, c in zip(requests, drawn, strict=True))
    for c, score in zip(drawn, scored, strict=True):
        assert score == pytest.approx(c.logprobs, abs=1e-6)  # the sum of a row is taken by another function


@needs_compiler
def test_several_threads_compute_what_one_computes() -> None:
    threads, found = torch.get_num_threads(), []
    try:
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            found.append(decoded("wide qwen3")[1])
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(found[0], found[1]) and torch.equal(found[0], found[2])


def test_shares_hold_every_token_once() -> None:
    for tokens in (1, 2, 7, 64, 1000):
        borders = even(tokens)
        assert borders[0] == 0 and borders[-1] == tokens and (np.diff(borders) >= 0).all()


@pytest.mark.usefixtures("without_compiler")
def test_without_a_compiler_torch_does_it() -> None:
    assert native(pack(model("wide llama"), CONTEXT)) is None
    engine = LocalEngine(model("wide llama"), Pieces())
    requests = mixed(6)
    lm = model("wide llama")
    for r, c in zip(requests, gather_all(engine.generate(r) for r in requests), strict=True):
        assert c.logprobs == pytest.approx(reference(lm, r.prompt, c.tokens, r.temperature, r.top_p), abs=1e-4)


def test_widths_that_fill_no_vectors_and_other_numbers_than_float32_are_left_to_torch() -> None:
    assert native(pack(model("llama"), CONTEXT)) is None
    assert native(pack(nn.Module.to(model("wide llama"), torch.bfloat16), CONTEXT)) is None


@needs_compiler
def test_a_source_that_does_not_compile_is_told_and_lived_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("PONDER_CACHE", str(tmp_path / "cache"))
    source = tmp_path / "broken.cpp"
    source.write_text("int nothing( {", encoding="utf-8")
    assert compiler.library(source) is None
    assert "broken.cpp was not compiled" in caplog.text and "error" in caplog.text
    assert list((tmp_path / "cache").iterdir()) == []


@needs_compiler
def test_a_library_is_compiled_once_for_all_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PONDER_CACHE", str(tmp_path / "cache"))
    source = tmp_path / "seven.cpp"
    source.write_text('extern "C" int seven() { return SEVEN; }', encoding="utf-8")
    first = compiler.library(source, (("SEVEN", 7),))
    made = list((tmp_path / "cache").iterdir())
    compiler.library.cache_clear()
    second = compiler.library(source, (("SEVEN", 7),))
    assert first is not None and second is not None and first.seven() == second.seven() == 7
    assert made == list((tmp_path / "cache").iterdir())
    assert sorted(path.suffix for path in made) == [".json", ".so"]  # the library, and what it must be


@needs_compiler
def test_drawing_takes_the_tokens_that_torch_takes() -> None:
    torch.manual_seed(0)
    logits_BV, rows = torch.randn(40, 150) * 3, np.arange(400) % 40
    uniforms = np.linspace(0, 1 - 2**-24, 400, dtype=np.float32)
    temperatures = np.array([0.0, 0.5, 1.0, 2.0] * 100, dtype=np.float32)
    found = draw(logits_BV, rows, uniforms, temperatures)
    assert found is not None
    parts = (torch.from_numpy(uniforms), torch.from_numpy(temperatures))
    tokens, logprobs = (t.numpy() for t in sampling.draw(logits_BV[torch.from_numpy(rows)], *parts))
    same = found[0] == tokens
    assert same.mean() > 0.99  # at the border of two tokens rounding decides
    assert found[1][same] == pytest.approx(logprobs[same], abs=1e-5)


@needs_compiler
def test_what_is_impossible_is_never_drawn_and_what_is_not_finite_is_told() -> None:
    logits = torch.full((3, 70), -np.inf)
    logits[0, 66] = logits[0, 3] = 0.0
    logits[1] = torch.nan
    logits[2, 5], logits[2, 6] = torch.inf, 0.0
    ends = np.array([0.0, 0.49, 0.5, 1 - 2**-24], dtype=np.float32)
    found = draw(logits, np.zeros(4, np.int64), ends, np.ones(4, np.float32))
    assert found is not None and found[0].tolist() == [3, 3, 66, 66]
    assert found[1] == pytest.approx(np.log(0.5))
    broken = draw(logits, np.array([1, 2]), ends[:2], np.ones(2, np.float32))
    assert broken is not None and not np.isfinite(broken[1]).any()


@needs_compiler
def test_uniform_numbers_give_the_distribution() -> None:
    logits = torch.log(torch.tensor([[0.1, 0.2, 0.3, 0.4]]))
    uniforms = ((np.arange(10000) + 0.5) / 10000).astype(np.float32)
    found = draw(logits, np.zeros(10000, np.int64), uniforms, np.ones(10000, np.float32))
    assert found is not None and np.bincount(found[0]) == pytest.approx([1000, 2000, 3000, 4000], abs=2)


@needs_compiler
def test_slots_hold_the_texts_of_their_rows_through_any_forks_ends_and_growth() -> None:
    shape, rng = Shape(2, 2, 32, 1e-6), np.random.default_rng(0)
    arena = Arena(2, 2, 32, 8, torch.float32, torch.device("cpu"), 4000)
    cells = arena.take(3000)
    arena.kv.copy_(torch.arange(arena.kv.numel(), dtype=torch.float32).view(arena.kv.shape))
    slots = TiledSlots(2, shape, torch.float32, torch.device("cpu"), 64, 1 << 30)
    texts: list[np.ndarray] = []
    for turn in range(60):
        new = [rng.choice(cells, rng.integers(1, 20 + 3 * turn), replace=False) for _ in range(rng.integers(0, 4))]
        if new:
            first = len(texts)
            slots.reserve(first + len(new), max(map(len, new)))
            load(slots, slots.places[first:].tolist(), new, arena)
            texts += new
        lengths = np.array([len(t) for t in texts], dtype=np.int64)
        order = rng.integers(0, len(texts), rng.integers(0, 12)).tolist() if texts else []
        slots.select(order, lengths)
        texts = [texts[source] for source in order]
        assert len(set(slots.places.tolist())) == len(texts) == len(slots.places)
        for place, text in zip(slots.places.tolist(), texts, strict=True):
            known = arena.kv[torch.from_numpy(text)]  # [T, layers, K, 2, D]
            for i in range(2):
                heads = slice(2 * place, 2 * place + 2)
                keys = slots.keys[i][heads].transpose(-1, -2).flatten(1, 2)[:, : len(text)]
                assert torch.equal(keys, known[:, i, :, 0].transpose(0, 1))
                assert torch.equal(slots.values[i][heads, : len(text)], known[:, i, :, 1].transpose(0, 1))


@pytest.mark.parametrize("name", ["llama", "wide llama"])
def test_many_short_rows_after_long_ones_take_over_their_memory(name: str) -> None:
    decoder = LeanDecoder(model(name), CONTEXT, 64, 2 << 17)  # memory for a few long rows or many short ones
    long = [tuple((i * j) % 29 + 2 for j in range(60)) for i in range(1, 4)]
    decoder.prefill(long)
    decoder.select([])
    most = decoder.rows(10)
    assert most > decoder.rows(60)
    prompts = [(2 + i % 30, 2 + i // 30, 5, 7) for i in range(most)]
    for first in range(0, most, 5):  # rows join while others are under way
        decoder.prefill(prompts[first : first + 5])
    alone = LeanDecoder(model(name), CONTEXT, 64, 1 << 20)
    alone.prefill(prompts)
    lengths, tokens = np.full(most, 4), np.arange(most) % 30 + 2
    torch.testing.assert_close(decoder.decode(tokens, lengths), alone.decode(tokens, lengths), atol=1e-5, rtol=1e-5)


@needs_compiler
def test_ids_that_the_embedding_has_not_are_refused_before_compiled_code_sees_them() -> None:
    decoder = LeanDecoder(model("wide llama"), CONTEXT, 8, 1 << 20)
    for ids in ((2, VOCABULARY), (-1, 2)):
        with pytest.raises(PonderError, match="embedding has"):
            decoder.trunk.ensure([ids])


@needs_compiler
@pytest.mark.parametrize("what", ["weights", "texts"])
def test_a_request_that_was_cancelled_a_moment_ago_leaves_no_row_behind(what: str) -> None:
    lm = model("wide llama")
    engine = LocalEngine(lm, Pieces())

    async def play() -> Completion:
        short, long = (asyncio.create_task(engine.generate(Request((5, 6, 7), n, n))) for n in (1, 50))
        await short
        long.cancel()
        await asyncio.gather(long, return_exceptions=True)
        if what == "weights":
            engine.replace_weights({k: v.clone() for k, v in lm.state_dict().items()}, 1)
        else:
            engine.forget()
        await engine.score((9, 8), (7, 6, 5, 4))
        return await engine.generate(Request((5, 6, 7), 20, 3))

    found = run(play())
    assert found.logprobs == pytest.approx(reference(model("wide llama"), (5, 6, 7), found.tokens, 1.0), abs=1e-4)


@needs_compiler
def test_a_compiler_that_fails_and_a_file_that_was_cut_short_are_lived_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PONDER_CACHE", str(tmp_path))
    source = tmp_path / "seven.cpp"
    source.write_text('extern "C" int seven() { return 7; }', encoding="utf-8")
    assert compiler.library(source) is not None
    (made,) = tmp_path.glob("*.so")
    made.unlink()
    made.write_bytes(b"")
    compiler.library.cache_clear()
    again = compiler.library(source)
    assert again is not None and again.seven() == 7
    compiler.library.cache_clear()
    monkeypatch.setattr(compiler, "_compiler", lambda: "/bin/false")
    assert compiler.library(source) is None
    compiler.library.cache_clear()
