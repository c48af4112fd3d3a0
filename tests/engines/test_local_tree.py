"""The prefix tree of the embedded engine: what is computed once, what is shared, what is let go."""

from __future__ import annotations

import asyncio
import gc
import random
import tracemalloc
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ponder.engines.local.engine import LocalEngine
from ponder.engines.local.lean_decode import LeanDecoder
from ponder.engines.local.prefix.arena import NOWHERE, Arena
from ponder.engines.local.prefix.tree import PrefixTree
from ponder.engines.loop import gather_all, run
from ponder.types import PonderError
from tests.engines.factory import CONTEXT, EOS, PIECES, Pieces, markov, mixed, model, reference, request

NAMES = ("llama", "qwen2", "qwen3")
A, B, C = (PIECES.index(piece) for piece in "abc")


def decoder(engine: LocalEngine) -> LeanDecoder:
    assert isinstance(engine._decoder, LeanDecoder)
    return engine._decoder


def small_arena(most: int = 10_000) -> Arena:
    return Arena(1, 1, 2, 2, torch.float32, torch.device("cpu"), most)


texts = st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=8).map(tuple), max_size=12)


@given(texts, st.lists(st.integers(0, 2), min_size=1, max_size=8).map(tuple))
def test_a_text_finds_its_longest_known_beginning_and_every_distinct_token_has_one_cell(inserted, asked):
    arena = small_arena()
    tree = PrefixTree(arena)
    cell_of: dict[tuple[int, ...], int] = {}
    for text in inserted:
        known = tree.match(text)
        cells = np.concatenate([known, arena.take(len(text) - len(known))])
        arena.hold(known)
        tree.insert(text, cells)
        arena.drop(cells)
        for i, cell in enumerate(cells.tolist(), 1):
            assert cell_of.setdefault(text[:i], cell) == cell
    assert tree.size == len(cell_of) == arena.used
    assert arena.held == 0
    beginnings = [asked[:i] for i in range(1, len(asked) + 1) if asked[:i] in cell_of]
    assert tree.match(asked).tolist() == [cell_of[beginning] for beginning in beginnings]


@given(texts, st.integers(0, 30), st.data())
def test_eviction_frees_what_nobody_holds_and_takes_the_longest_unused_first(inserted, count, data):
    arena = small_arena()
    tree = PrefixTree(arena)
    for text in inserted:
        known = tree.match(text)
        cells = np.concatenate([known, arena.take(len(text) - len(known))])
        arena.hold(known)
        tree.insert(text, cells)
        arena.drop(cells)
    held = data.draw(st.sampled_from(inserted)) if inserted else None
    if held:
        arena.hold(tree.match(held))  # the text used last
    before, kept = arena.used, len(held or ())
    tree.evict(count)
    assert arena.used <= max(kept, before - count)
    assert arena.used >= kept == arena.held
    if before - count >= kept + 8:  # one leaf too many at most
        assert held is None or len(tree.match(held)) == len(held)


def test_an_arena_refuses_nothing_that_it_said_it_has():
    arena = small_arena(100)
    first, second = arena.take(60), arena.take(40)
    assert len({*first.tolist(), *second.tolist()}) == 100
    assert NOWHERE not in first
    assert (arena.lacks(1), arena.used) == (1, 100)
    assert arena.drop(first) == 60
    assert (arena.lacks(60), arena.lacks(61), arena.used) == (0, 1, 40)


@pytest.mark.parametrize("name", NAMES)
def test_a_text_that_goes_on_computes_only_what_is_new_and_at_any_token(name: str) -> None:
    lm = model(name)
    engine = LocalEngine(lm, Pieces(), keep_texts=True)
    prompt = tuple(range(2, 10))
    first = run(engine.generate(request(prompt, 12, seed=3)))
    assert (first.computed, first.reused) == (8, 0)
    whole = prompt + first.tokens
    for cut in (3, 8, 10, len(whole)):
        branch = (*whole[:cut], C, B, A, 9 + cut)
        second = run(engine.generate(request(branch, 4, seed=5)))
        # The token drawn last was never computed, since nobody went on from it.
        known = min(cut, len(whole) - 1)
        assert (second.computed, second.reused) == (len(branch) - known, known)
        assert second.logprobs == pytest.approx(reference(lm, branch, second.tokens), abs=1e-4)
        third = run(engine.generate(request(branch, 4, seed=6)))
        assert (third.computed, third.reused) == (0, len(branch))
        assert third.logprobs == pytest.approx(reference(lm, branch, third.tokens), abs=1e-4)


def test_prompts_of_one_batch_that_begin_alike_compute_their_beginning_once() -> None:
    engine = LocalEngine(model("llama"), Pieces())
    prompts = ["abcdefgh", "abcdefij", "abcdefgk", "abcdef", "bcd"]
    computed = [c.computed for c in gather_all(engine.generate(request(p, 1, seed=i)) for i, p in enumerate(prompts))]
    lengths = [len(Pieces().encode(p)) for p in prompts]
    assert computed[0] == lengths[0] and computed[4] == lengths[4]
    assert sum(computed) == decoder(engine).trunk.tree.size < sum(lengths)


async def search(engine: LocalEngine, question: int, depth: int, branches: int) -> None:
    """Each level goes on from one of the lines that the last level wrote."""
    rng = random.Random(question)
    text: tuple[int, ...] = (2 + question % 9, 3 + question // 9, 5, 7)
    for level in range(depth):
        calls = [
            engine.generate(request(text, 6, seed=1000 * question + 10 * level + i, stop=("\n", "a")))
            for i in range(branches)
        ]
        lines = [c.tokens for c in await asyncio.gather(*calls) if EOS not in c.tokens]
        if not lines:
            return
        text += rng.choice(lines)


def test_a_tree_search_computes_each_distinct_token_once_and_keeps_each_once() -> None:
    engine = LocalEngine(model("llama"), Pieces())
    gather_all(search(engine, question, depth=4, branches=6) for question in range(30))
    trunk = decoder(engine).trunk
    assert engine.work.tokens == trunk.tree.size == trunk.arena.used > 1000
    assert trunk.arena.held == 0
    # One layer's keys and values of 2 heads of 8 are 32 floats, of two layers 64; the hidden state has 16.
    assert engine.kept.token_bytes == trunk.tree.size * 80 * 4
    assert engine.tokens_reused > 3 * engine.tokens_prefilled


def test_samples_that_draw_the_same_tokens_are_one_row_until_they_differ() -> None:
    engine = LocalEngine(markov({A: {B: 1.0}, B: {A: 0.5, C: 0.5}, C: {EOS: 1.0}}), Pieces())
    greedy = gather_all(engine.generate(request("c", 5, seed=i, temperature=0.0)) for i in range(8))
    assert len({c.tokens for c in greedy}) == 1
    assert engine.work.tokens == len(greedy[0].tokens)  # the prompt's, and all drawn ones but the last
    engine = LocalEngine(markov({A: {B: 1.0}, B: {A: 0.5, C: 0.5}, C: {EOS: 1.0}}), Pieces())
    drawn = gather_all(engine.generate(request("a", 9, seed=i)) for i in range(16))
    beginnings = {(A, *c.tokens[:i]) for c in drawn for i in range(len(c.tokens))}
    assert engine.work.tokens == len(beginnings) < sum(len(c.tokens) for c in drawn)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("tied", [False, True])
def test_nothing_computed_by_old_weights_is_used_after_an_update(name: str, tied: bool) -> None:
    engine = LocalEngine(model(name, tied), Pieces())
    gather_all(engine.generate(r) for r in mixed(12))
    truth = model(name, tied, seed=5)
    assert decoder(engine).trunk.tree.size > 0
    engine.replace_weights(truth.state_dict(), 1)
    assert decoder(engine).trunk.tree.size == 0
    for r, c in zip(mixed(12), gather_all(engine.generate(r) for r in mixed(12)), strict=True):
        assert c.logprobs == pytest.approx(reference(truth, r.prompt, c.tokens, r.temperature, r.top_p), abs=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_scores_and_hidden_states_come_out_of_the_tree(name: str) -> None:
    lm = model(name)
    engine = LocalEngine(lm, Pieces(), keep_texts=True)
    prompt = tuple(range(2, 8))
    drawn = run(engine.generate(request(prompt, 9, seed=1))).tokens
    before = engine.work.tokens
    assert run(engine.score(prompt, drawn)) == pytest.approx(reference(lm, prompt, drawn), abs=1e-4)
    assert engine.work.tokens == before  # nothing was computed that generation had not
    other = (*drawn[:2], A, B)
    assert run(engine.score(prompt, other)) == pytest.approx(reference(lm, prompt, other), abs=1e-4)
    states = run(engine.hidden((*prompt, *other), (0, 5, 9)))
    with torch.inference_mode():
        expected = lm.base_model(torch.tensor([[*prompt, *other]])).last_hidden_state[0, [0, 5, 9]]
    torch.testing.assert_close(states, expected, atol=1e-4, rtol=1e-4)


def test_hidden_states_of_other_architectures_are_the_librarys_own_and_positions_are_checked() -> None:
    lm = model("gpt2")
    engine = LocalEngine(lm, Pieces())
    with torch.inference_mode():
        expected = lm.base_model(torch.tensor([[2, 3, 4]])).last_hidden_state[0, [2]]
    torch.testing.assert_close(run(engine.hidden((2, 3, 4), (2,))), expected)
    with pytest.raises(PonderError, match="positions count from 0"):
        run(engine.hidden((2, 3, 4), (3,)))


@pytest.mark.parametrize("limits", [{"cache_bytes": 1}, {"cache_bytes": 120_000}, {"max_batch": 5}])
def test_under_pressure_the_oldest_texts_go_and_every_text_stays_right(limits: dict[str, Any]) -> None:
    lm = model("llama")
    tight = LocalEngine(lm, Pieces(), keep_texts=True, **limits)
    free = LocalEngine(lm, Pieces())
    for turn in range(3):
        requests = [request((*r.prompt, turn + 2), 12, seed=r.seed) for r in mixed(25)]
        expected = [c.tokens for c in gather_all(free.generate(r) for r in requests)]
        assert [c.tokens for c in gather_all(tight.generate(r) for r in requests)] == expected
        scores = gather_all(tight.score(r.prompt, t) for r, t in zip(requests, expected, strict=True))
        for r, t, s in zip(requests, expected, scores, strict=True):
            assert s == pytest.approx(reference(lm, r.prompt, t), abs=1e-4)
    arena = decoder(tight).trunk.arena
    assert arena.held == 0
    assert arena.used <= arena.most


def test_the_same_requests_in_the_same_order_give_the_same_bits() -> None:
    def answers(engine: LocalEngine) -> list[tuple[float, ...]]:
        gather_all(search(engine, q, depth=3, branches=4) for q in range(6))
        return [c.logprobs for c in gather_all(engine.generate(r) for r in mixed(20))]

    lm = model("llama")
    engine = LocalEngine(lm, Pieces())
    first = answers(engine)
    assert first == answers(LocalEngine(lm, Pieces()))
    assert first == answers(engine)  # on new event loops, which know nothing of the old ones
    kept = LocalEngine(lm, Pieces(), keep_texts=True)
    second = answers(kept)
    kept.forget()
    assert second == answers(kept)


def test_a_cancelled_request_gives_its_cells_back() -> None:
    engine = LocalEngine(markov({A: {A: 1.0}}), Pieces())

    async def cancel_all() -> None:
        tasks = [asyncio.create_task(engine.generate(request(p, 60))) for p in ("a", "ba", "ca")]
        while engine.active < 3:
            await asyncio.sleep(0)
        assert decoder(engine).trunk.arena.held > 0
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)

    run(cancel_all())
    run(engine.generate(request("b", 1)))
    assert engine.active == decoder(engine).active == decoder(engine).trunk.arena.held == 0


def test_many_short_rollouts_leave_memory_flat() -> None:
    engine = LocalEngine(model("llama"), Pieces(), cache_bytes=400_000, keep_texts=True)

    def rollouts(turn: int) -> None:
        requests = [request((2 + (turn + i) % 20, 2 + turn % 23, 2 + i), 10, seed=i) for i in range(12)]
        gather_all(engine.generate(r) for r in requests)

    for turn in range(40):
        rollouts(turn)
    memory = engine.kept.cell_memory + engine.kept.row_memory
    tracemalloc.start()
    rollouts(40)
    before, _ = tracemalloc.get_traced_memory()
    for turn in range(41, 140):
        rollouts(turn)
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert engine.kept.cell_memory + engine.kept.row_memory == memory > 0
    # Of the tree's edges some are new since tracing began; a leak of one edge a request would be ten times as much.
    assert after - before < 120_000


def test_operations_are_counted_as_the_architecture_says() -> None:
    engine = LocalEngine(model("llama"), Pieces())
    completion = run(engine.generate(request((2, 3, 4), 3, seed=1)))
    new = len(completion.tokens)
    assert new == 3
    # hidden 16, 4 heads and 2 key heads of 8, inner 24, 2 layers: q 512, k and v 256 each, out 512, mlp 1152 weights.
    trunk, attention, head = 2 * 2 * (512 + 2 * 256 + 512 + 1152), 2 * 4 * 4 * 8, 2 * 16 * len(PIECES)
    looks = 1 + 2 + 3 + 4 + 5  # the token drawn last is not computed
    work = engine.work
    assert (work.tokens, work.generated, work.prefilled) == (5, 3, 3)
    assert work.flops == 5 * trunk + looks * attention + 3 * head
    assert 0 < work.seconds < 60
    assert (engine.work - work).flops == 0


def test_a_prompt_as_long_as_the_context_can_be_scored_while_rows_run() -> None:
    engine = LocalEngine(markov({A: {A: 1.0}}), Pieces(), cache_bytes=1)

    async def both() -> tuple[float, ...]:
        task = asyncio.create_task(engine.generate(request("a", 60)))
        while not engine.active:
            await asyncio.sleep(0)
        scores = await engine.score((A,) * (CONTEXT - 1), (A,))
        await task
        return scores

    assert run(both()) == pytest.approx((0.0,), abs=1e-4)


def test_forgotten_texts_leave_no_cycles_behind() -> None:
    arena = Arena(1, 1, 8, 8, torch.float32, torch.device("cpu"), 64)
    tree = PrefixTree(arena)
    for text in ((1, 2, 3), (1, 2, 4, 5), (1, 2, 4, 6)):
        tree.insert(text, arena.take(len(text)))
    gc.disable()
    try:
        gc.collect()
        tree.forget()
        assert gc.collect() == 0
    finally:
        gc.enable()
