"""The forward for large weights: the numbers of the small one, whatever the batch and however many threads."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
import torch

from ponder.engines.cpu import forward
from ponder.engines.local import packed_weights
from ponder.engines.local.engine import LocalEngine
from ponder.engines.local.packed_weights import held, pack
from ponder.engines.loop import run
from ponder.models import lean
from ponder.protocols import Request
from ponder.seeds import derive_seed
from ponder.types import PonderError
from tests.engines.factory import CONTEXT, Pieces, mixed, model
from tests.engines.test_local_native import FAMILIES, decoded, needs_compiler, said, without_compiler

pytestmark = needs_compiler


@pytest.fixture
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """All models count as large."""
    monkeypatch.setattr(forward, "_SMALL_BYTES", 0)


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("name", FAMILIES)
def test_both_forwards_compute_the_same_to_the_last_bit(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    small = decoded(name)
    monkeypatch.setattr(forward, "_SMALL_BYTES", 0)
    large = decoded(name)
    assert forward.source(pack(model(name), CONTEXT)).name == "wide.cpp"
    assert torch.equal(small[1], large[1]) and torch.equal(small[2], large[2])


@pytest.mark.usefixtures("wide", "threads")
def test_several_threads_compute_what_one_computes() -> None:
    found = []
    for count in (1, 2, 3):
        torch.set_num_threads(count)
        found.append(decoded("wide qwen3")[1])
    assert torch.equal(found[0], found[1]) and torch.equal(found[0], found[2])


@pytest.mark.usefixtures("wide", "threads")
def test_a_request_is_answered_to_the_last_bit_as_if_it_were_alone() -> None:
    torch.set_num_threads(2)
    requests = [Request(tuple(range(2, 5 + i)), 30, derive_seed("wide", i), temperature=0.5 + i / 20) for i in range(9)]
    together = said(LocalEngine(model("wide qwen2"), Pieces()), requests)
    alone = LocalEngine(model("wide qwen2"), Pieces(), max_batch=1)
    assert [said(alone, [r])[0] for r in requests] == together


@pytest.mark.usefixtures("wide")
def test_an_update_is_answered_from_the_new_weights() -> None:
    engine, other = LocalEngine(model("wide llama"), Pieces()), model("wide llama", seed=1)
    requests = mixed(6)
    before = said(engine, requests)
    engine.replace_weights(other.state_dict(), 1)
    after = said(engine, requests)
    assert [c.tokens for c in after] == [c.tokens for c in said(LocalEngine(other, Pieces(), version=1), requests)]
    assert [c.tokens for c in after] != [c.tokens for c in before]


def test_layers_that_are_laid_out_when_asked_for_are_the_held_ones() -> None:
    packed = pack(model("wide qwen2"), CONTEXT)
    copies = held(packed)
    assert len(packed.layers) == len(copies.layers) == model("wide qwen2").config.num_hidden_layers
    for made, kept in zip(packed.layers, copies.layers, strict=True):
        assert torch.equal(made.qkv, kept.qkv) and torch.equal(made.down, kept.down) and kept.down.is_contiguous()
    with pytest.raises(IndexError):
        packed.layers[len(packed.layers)]


def test_compiled_code_holds_one_copy_of_the_products(monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine of a compiled model keeps neither laid-out layers nor a transposed head beside its panels."""
    engine = LocalEngine(model("wide llama"), Pieces())
    weights = engine._decoder.trunk.weights  # type: ignore[attr-defined]
    assert isinstance(weights.layers, packed_weights.Laid) and weights.head.numel() == 0
    monkeypatch.setattr(lean, "layer", lambda *_: pytest.fail("a layer was laid out again"))
    said(engine, mixed(3))


def test_memory_that_is_given_back_changes_no_answer() -> None:
    engine = LocalEngine(model("wide llama"), Pieces())
    requests = mixed(6)
    before = said(engine, requests)
    taken = engine.kept
    assert taken.cell_memory > 1000 and taken.row_memory > 0
    assert engine.release()
    assert engine.kept.row_memory == 0 and engine.kept.cell_memory < taken.cell_memory / 10
    assert said(engine, requests) == before


@pytest.mark.parametrize("native", [True, False])
def test_copies_of_the_weights_that_are_given_back_are_made_again(request: pytest.FixtureRequest, native: bool) -> None:
    if not native:
        request.getfixturevalue(without_compiler.__name__)
    lm = model("wide llama")
    engine = LocalEngine(lm, Pieces(), shared=True)
    requests, compiled = mixed(4), engine.compiled
    before, taken = said(engine, requests), engine.kept.weight_memory
    layers = sum(p.nbytes for name, p in lm.named_parameters() if "proj" in name)
    assert taken >= layers and compiled is native
    assert engine.release(texts=False, weights=True)
    assert engine.kept.weight_memory == 0 and engine.compiled is compiled
    assert said(engine, requests) == before and engine.kept.weight_memory == taken
    # The trainer moves the weights meanwhile: its new version is what is laid out, and nothing before it.
    engine.release(texts=False, weights=True)
    with torch.no_grad():
        lm.get_parameter("model.layers.0.mlp.up_proj.weight").mul_(1.5)
    with pytest.raises(PonderError, match="changed and not yet published"):
        said(engine, requests)
    engine.replace_weights(lm.state_dict(), 1)
    assert engine.kept.weight_memory == taken
    assert said(engine, requests) == said(LocalEngine(lm, Pieces(), version=1), requests) != before


def test_while_requests_run_no_memory_is_given_back() -> None:
    engine = LocalEngine(model("wide llama"), Pieces())

    async def ask() -> bool:
        running = asyncio.ensure_future(engine.generate(Request((2, 3), 20, 0)))
        await asyncio.sleep(0)
        given = engine.release()
        await running
        return given

    assert run(ask()) is False and engine.release()
