"""The embedded engine: parity with the library, sampling, batching, caching, failure."""

from __future__ import annotations

import asyncio
import math
from itertools import pairwise
from typing import Any

import pytest
import torch

from ponder.engines.local.engine import LocalEngine
from ponder.engines.loop import gather_all, run
from ponder.protocols import Completion
from ponder.types import PonderError, StopReason
from tests.engines.factory import CONTEXT, EOS, PIECES, VOCABULARY, Pieces, markov, mixed, model, reference, request

NAMES = ("llama", "qwen2", "qwen3", "gpt2", "neox")
A, B, C, AB = (PIECES.index(piece) for piece in ("a", "b", "c", "ab"))


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_log_probabilities_equal_those_of_the_library_before_and_after_new_weights(name: str, tied: bool) -> None:
    engine = LocalEngine(model(name, tied), Pieces())
    for version, seed in ((0, 0), (1, 5)):
        truth = model(name, tied, seed)
        if version:
            engine.replace_weights(truth.state_dict(), version)
        requests = mixed(20)
        for r, c in zip(requests, gather_all(engine.generate(r) for r in requests), strict=True):
            assert c.version == version
            expected = reference(truth, r.prompt, c.tokens, r.temperature, r.top_p)
            assert c.logprobs == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_scores_of_rows_of_unequal_length_equal_those_of_the_library(name: str) -> None:
    lm = model(name)
    pairs = [(tuple(range(2, 4 + i)), tuple(range(3, 4 + i * 7 % 11))) for i in range(12)]
    # The same text with the border elsewhere, and a text twice.
    pairs += [(pairs[5][0][:2], pairs[5][0][2:] + pairs[5][1]), pairs[5]]
    engine = LocalEngine(lm, Pieces())
    for (prompt, continuation), scored in zip(pairs, gather_all(engine.score(*p) for p in pairs), strict=True):
        assert scored == pytest.approx(reference(lm, prompt, continuation), abs=1e-4)


def test_greedy_takes_the_likeliest_token_each_time() -> None:
    lm = model("llama")
    completion = run(LocalEngine(lm, Pieces()).generate(request("abc", 10, temperature=0.0)))
    with torch.inference_mode():
        ids = torch.tensor([[*Pieces().encode("abc"), *completion.tokens]])
        likeliest = lm(ids).logits[0].argmax(-1).tolist()
    assert likeliest[len(ids[0]) - len(completion.tokens) - 1 : -1] == list(completion.tokens)


@pytest.mark.parametrize(("temperature", "top_p"), [(1.0, 1.0), (0.5, 1.0), (1.0, 0.75)])
def test_tokens_are_drawn_as_often_as_their_probabilities_say(temperature: float, top_p: float) -> None:
    """Chi-square with three degrees of freedom; with fresh seeds a false alarm would have probability 1e-4."""
    p = {A: 0.4, B: 0.3, C: 0.2, EOS: 0.1}
    if top_p < 1:
        expected = {A: 4 / 9, B: 3 / 9, C: 2 / 9}  # 0.4 + 0.3 stays below 0.75, so c is needed and the end is not
    else:
        total = sum(v ** (1 / temperature) for v in p.values())
        expected = {t: v ** (1 / temperature) / total for t, v in p.items()}
    engine = LocalEngine(markov({A: p}), Pieces())
    n = 4000
    options = {"temperature": temperature, "top_p": top_p}
    drawn = gather_all(engine.generate(request("a", 1, seed=i, **options)) for i in range(n))
    counts = {t: sum(c.tokens == (t,) for c in drawn) for t in p}
    assert sum(counts[t] for t in expected) == n
    chi_square = sum((counts[t] - n * q) ** 2 / (n * q) for t, q in expected.items())
    assert chi_square < 21.11
    # What is recorded is what was drawn from: the softmax at the temperature, without what top-p left out.
    for c in drawn[:50]:
        assert c.logprobs[0] == pytest.approx(math.log(expected[c.tokens[0]]), abs=1e-4)


def test_successive_draws_of_one_request_are_independent() -> None:
    """Pairs of fair coins; with fresh seeds a false alarm would have probability 1e-4."""
    fair = {A: 0.5, B: 0.5}
    engine = LocalEngine(markov({A: fair, B: fair}), Pieces())
    drawn = gather_all(engine.generate(request("a", 50, seed=i)) for i in range(40))
    pairs = [pair for c in drawn for pair in pairwise(c.tokens)]
    same = sum(x == y for x, y in pairs)
    assert abs(same - len(pairs) / 2) < 3.9 * math.sqrt(len(pairs) / 4)


def test_a_stop_string_may_cross_the_borders_of_tokens() -> None:
    chain = {A: {B: 1.0}, B: {C: 1.0}, C: {A: 1.0}}
    engine = LocalEngine(markov(chain), Pieces())
    completion = run(engine.generate(request("c", 20, stop=("bca",))))
    assert Pieces().decode(completion.tokens) == "abca"
    assert completion.stop is StopReason.STEP


def test_a_stop_string_inside_a_longer_token_ends_the_text_and_the_token_stays_whole() -> None:
    inside = PIECES.index("d\ne")
    engine = LocalEngine(markov({A: {inside: 1.0}}), Pieces())
    completion = run(engine.generate(request("a", 20, stop=("\n",))))
    assert (Pieces().decode(completion.tokens), completion.stop) == ("d\ne", StopReason.STEP)


def test_a_stop_string_does_not_reach_back_into_the_prompt() -> None:
    engine = LocalEngine(markov({A: {B: 1.0}, B: {C: 1.0}}), Pieces())
    completion = run(engine.generate(request("a", 20, stop=("ab",))))
    assert (completion.tokens, completion.stop) == ((B, C, EOS), StopReason.END)


def test_a_text_cut_at_a_step_and_continued_with_its_seed_is_the_uncut_text() -> None:
    engine = LocalEngine(model("llama"), Pieces())
    for seed in range(20):
        whole = run(engine.generate(request("abc", 20, seed=seed)))
        first = run(engine.generate(request("abc", 20, seed=seed, stop=("\n", "a"))))
        rest = 20 - len(first.tokens)
        if first.stop is StopReason.STEP and rest:
            prompt = Pieces().encode("abc") + first.tokens
            assert first.tokens + run(engine.generate(request(prompt, rest, seed=seed))).tokens == whole.tokens


@pytest.mark.parametrize("name", ["llama", "gpt2"])
def test_groups_that_share_a_prompt_prefill_it_once(name: str) -> None:
    engine = LocalEngine(model(name), Pieces())
    prompts = ["abcde"] * 4 + ["fgh"] * 3
    completions = gather_all(engine.generate(request(p, 5, seed=i)) for i, p in enumerate(prompts))
    lengths = [len(Pieces().encode(p)) for p in prompts]
    assert [c.computed for c in completions] == [lengths[0], 0, 0, 0, lengths[4], 0, 0]
    assert [c.computed + c.reused for c in completions] == lengths
    assert engine.tokens_prefilled == lengths[0] + lengths[4]
    assert engine.tokens_reused == 3 * lengths[0] + 2 * lengths[4]
    assert engine.tokens_generated == sum(len(c.tokens) for c in completions)


@pytest.mark.parametrize("limits", [{"max_batch": 3}, {"cache_bytes": 1}, {"cache_bytes": 60_000}])
@pytest.mark.parametrize("name", ["llama", "gpt2"])
def test_more_requests_than_rows_take_turns_and_draw_the_same(name: str, limits: dict[str, Any]) -> None:
    requests = mixed(30)
    expected = gather_all(LocalEngine(model(name), Pieces()).generate(r) for r in requests)
    narrow = LocalEngine(model(name), Pieces(), **limits)
    assert [c.tokens for c in gather_all(narrow.generate(r) for r in requests)] == [c.tokens for c in expected]


def test_requests_that_come_while_others_run_join_them() -> None:
    engine = LocalEngine(markov({A: {A: 1.0}}), Pieces())

    async def chained(rounds: int) -> Completion:
        for _ in range(rounds):
            last = await engine.generate(request("a", 3))
        return last

    async def late() -> int:
        first = asyncio.create_task(engine.generate(request("a", 40)))
        await chained(3)
        assert not first.done()
        await first
        return engine.active

    assert run(late()) == 0


def test_a_cancelled_request_frees_its_row_at_once() -> None:
    engine = LocalEngine(markov({A: {A: 1.0}}), Pieces(), max_batch=2)

    async def cancel_one() -> Completion:
        endless = [asyncio.create_task(engine.generate(request("a", 60))) for _ in range(2)]
        waiting = asyncio.create_task(engine.generate(request("a", 2)))
        while engine.active < 2:
            await asyncio.sleep(0)
        endless[0].cancel()
        await asyncio.wait([endless[0]])
        assert engine.active == 1
        completion = await waiting  # takes the freed row while the other goes on
        assert not endless[1].done()
        endless[1].cancel()
        return completion

    assert run(cancel_one()).tokens == (A, A)
    assert engine.active == 0


def test_a_failing_step_reaches_everyone_who_waits_and_the_engine_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = LocalEngine(model("llama"), Pieces(), max_batch=2)

    async def outcomes() -> list[object]:
        calls = [engine.generate(request("ab", seed=i)) for i in range(5)]
        return list(await asyncio.wait_for(asyncio.gather(*calls, engine.score((2,), (3,)), return_exceptions=True), 5))

    def broken(*_: object) -> None:
        raise RuntimeError("out of memory")

    with monkeypatch.context() as patch:
        patch.setattr(engine._decoder, "decode", broken)
        *generated, scored = run(outcomes())
        assert [str(e) for e in generated] == ["out of memory"] * 5
        assert isinstance(scored, tuple)
        patch.setattr(engine._decoder, "score", broken)
        assert [str(e) for e in run(outcomes())] == ["out of memory"] * 6
    assert engine.active == 0
    assert all(isinstance(c, Completion) for c in run(outcomes())[:5])


def test_weights_that_give_no_finite_logits_are_named() -> None:
    lm = model("llama")
    lm.lm_head.weight.data[3] = math.inf
    with pytest.raises(PonderError, match=r"not finite \(weights version 4\)"):
        run(LocalEngine(lm, Pieces(), version=4).generate(request("abc")))


def test_an_event_loop_that_ended_early_leaves_nothing_behind() -> None:
    engine = LocalEngine(markov({A: {A: 1.0}}), Pieces())

    async def give_up() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(engine.generate(request("a", 60)), 0)

    run(give_up())
    engine.replace_weights(markov({A: {B: 1.0}}).state_dict(), 1)
    assert run(engine.generate(request("a", 9))).tokens == (B, EOS)


def test_a_shorter_context_than_the_model_has_may_be_asked() -> None:
    engine = LocalEngine(markov({A: {A: 1.0}}), Pieces(), context=10)
    completion = run(engine.generate(request("aaa", 50)))
    assert (len(completion.tokens), completion.stop) == (7, StopReason.CONTEXT)
    assert LocalEngine(markov({}), Pieces(), context=10 * CONTEXT).context == CONTEXT


def test_tokens_that_the_model_does_not_know_are_refused() -> None:
    engine = LocalEngine(model("llama"), Pieces())
    with pytest.raises(PonderError, match=f"the model knows 0 to {VOCABULARY - 1}"):
        run(engine.generate(request((2, VOCABULARY))))
    foreign = Pieces()
    foreign.end_ids = (EOS, 50256)
    with pytest.raises(PonderError, match="do not belong together"):
        LocalEngine(model("llama"), foreign)
