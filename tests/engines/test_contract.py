"""What every engine promises, on the scripted one and on five architectures."""

from __future__ import annotations

import asyncio

import pytest

from ponder.engines.local.engine import LocalEngine
from ponder.engines.loop import gather_all, run
from ponder.engines.scripted import ScriptedEngine
from ponder.protocols import Completion, Engine, Request, WeightedEngine, WeightSource
from ponder.types import PonderError, StopReason
from tests.engines.factory import CONTEXT, EOS, Pieces, mixed, model, request

SCRIPT = {"": [("abc\nabc", 0.5), ("ddddddddddddddddddd", 0.3), ("a", 0.2)], "z": [("b", 1.0)]}
ARCHITECTURES = ("llama", "qwen2", "qwen3", "wide llama", "wide qwen2", "wide qwen3", "gpt2", "neox")


@pytest.fixture(params=["scripted", *ARCHITECTURES, *(f"{name} tied" for name in ARCHITECTURES)])
def engine(request: pytest.FixtureRequest) -> WeightedEngine:
    if request.param == "scripted":
        return ScriptedEngine(Pieces(), SCRIPT, context=CONTEXT)
    name = request.param.removesuffix(" tied")
    return LocalEngine(model(name, name != request.param), Pieces())


def alone(engine: WeightedEngine, *requests: Request) -> list[Completion]:
    return [run(engine.generate(r)) for r in requests]


def test_it_is_an_engine(engine: WeightedEngine) -> None:
    assert isinstance(engine, Engine)
    assert (engine.version, engine.context) == (0, CONTEXT)


def test_a_request_draws_the_same_tokens_alone_and_in_a_batch_of_any_size(engine: WeightedEngine) -> None:
    requests = mixed(24)
    together = gather_all(engine.generate(r) for r in requests)
    for one, other in zip(alone(engine, *requests), together, strict=True):
        assert (one.tokens, one.stop) == (other.tokens, other.stop)
        assert one.logprobs == pytest.approx(other.logprobs, abs=1e-5)
    assert [c.tokens for c in gather_all(engine.generate(r) for r in requests[5:9])] == [
        c.tokens for c in together[5:9]
    ]


def test_different_seeds_draw_different_texts(engine: WeightedEngine) -> None:
    drawn = {c.tokens for c in gather_all(engine.generate(request("abc", seed=i)) for i in range(40))}
    assert len(drawn) >= 3  # all that the script has to say


def test_every_token_has_a_log_probability_and_scoring_agrees(engine: WeightedEngine) -> None:
    requests = [request("abc", 9, seed=i) for i in range(6)]
    completions = gather_all(engine.generate(r) for r in requests)
    scores = gather_all(engine.score(r.prompt, c.tokens) for r, c in zip(requests, completions, strict=True))
    for completion, scored in zip(completions, scores, strict=True):
        assert len(completion.tokens) == len(completion.logprobs)
        assert completion.logprobs == pytest.approx(scored, abs=1e-4)


def test_the_end_of_each_completion_fits_its_reason(engine: WeightedEngine) -> None:
    requests = mixed(60)
    completions = gather_all(engine.generate(r) for r in requests)
    for r, c in zip(requests, completions, strict=True):
        text = Pieces().decode(c.tokens)
        before = Pieces().decode(c.tokens[:-1])
        assert EOS not in c.tokens[:-1]
        assert not any(s in before for s in r.stop)
        assert (c.stop is StopReason.END) == (c.tokens[-1] == EOS)
        assert (c.stop is StopReason.STEP) == any(s in text for s in r.stop)
        assert (c.stop is StopReason.LENGTH) <= (len(c.tokens) == r.max_tokens)
    assert {c.stop for c in completions} == {StopReason.END, StopReason.STEP, StopReason.LENGTH}


def test_the_context_cuts_what_the_token_limit_would_allow(engine: WeightedEngine) -> None:
    prompt = (2,) * (CONTEXT - 3)
    completions = gather_all(engine.generate(request(prompt, 50, seed=i)) for i in range(30))
    assert all(len(c.tokens) <= 3 for c in completions)
    cut = [c for c in completions if c.stop is not StopReason.END]
    assert cut
    assert all(c.stop is StopReason.CONTEXT and len(c.tokens) == 3 for c in cut)


def test_a_prompt_that_fills_the_context_gives_an_empty_completion(engine: WeightedEngine) -> None:
    completion = run(engine.generate(request((2,) * CONTEXT)))
    assert (completion.tokens, completion.logprobs, completion.stop) == ((), (), StopReason.CONTEXT)


def test_no_tokens_asked_gives_an_empty_completion(engine: WeightedEngine) -> None:
    assert run(engine.generate(request("abc", 0))).stop is StopReason.LENGTH


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (request(()), "prompt is empty"),
        (request((2,) * (CONTEXT + 1)), "prompt has 65 tokens, the context holds 64"),
        (request("a", -1), "max_tokens=-1"),
        (request("a", temperature=-0.5), "temperature=-0.5"),
        (request("a", top_p=0.0), "top_p=0.0"),
        (request("a", stop=("",)), "stop strings not empty"),
    ],
)
def test_a_request_that_cannot_run_is_refused_in_words(engine: WeightedEngine, bad: Request, words: str) -> None:
    with pytest.raises(PonderError, match=words):
        alone(engine, bad)


def test_scoring_nothing_gives_nothing_and_scoring_too_much_is_refused(engine: WeightedEngine) -> None:
    assert run(engine.score((2, 3), ())) == ()
    with pytest.raises(PonderError, match="at most 64"):
        run(engine.score((2,) * 60, (2,) * 5))
    with pytest.raises(PonderError, match="at least one token"):
        run(engine.score((), (2,)))


def test_older_weights_are_refused_and_the_live_version_may_be_sent_again(engine: WeightedEngine) -> None:
    state = engine._model.state_dict() if isinstance(engine, LocalEngine) else {}
    run(engine.update_weights(WeightSource(tensors=state), 3))
    with pytest.raises(PonderError, match="version 2 are refused: version 3 is live"):
        run(engine.update_weights(WeightSource(tensors=state), 2))
    run(engine.update_weights(WeightSource(tensors=state), 3))
    assert engine.version == 3


def test_an_update_needs_no_idle_engine_and_what_comes_after_it_is_drawn_by_it_alone(engine: WeightedEngine) -> None:
    state = engine._model.state_dict() if isinstance(engine, LocalEngine) else {}
    requests = mixed(12)
    expected = [c.tokens for c in gather_all(engine.generate(r) for r in requests)]

    async def update_while_running() -> tuple[list[Completion], list[Completion]]:
        under_way = [asyncio.create_task(engine.generate(r)) for r in requests]
        for _ in range(30):
            await asyncio.sleep(0)
        await engine.update_weights(WeightSource(tensors=state), 1)
        later = [asyncio.create_task(engine.generate(r)) for r in requests]
        return await asyncio.gather(*under_way), await asyncio.gather(*later)

    before, after = run(update_while_running())
    # The weights are the same, so nothing else may change.
    assert [c.tokens for c in before] == [c.tokens for c in after] == expected
    assert {(c.version, c.versions) for c in after} == {(1, ())}
    assert {c.version for c in before} <= {0, 1}


def test_a_cancelled_request_leaves_the_others_as_they_were(engine: WeightedEngine) -> None:
    requests = mixed(8)
    expected = [c.tokens for c in gather_all(engine.generate(r) for r in requests)]

    async def cancel_some() -> list[tuple[int, ...]]:
        tasks = [asyncio.create_task(engine.generate(r)) for r in requests]
        await asyncio.sleep(0)
        tasks[0].cancel()
        tasks[3].cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(ended[0], asyncio.CancelledError)
        return [c.tokens for c in ended if isinstance(c, Completion)]

    assert run(cancel_some()) == [t for i, t in enumerate(expected) if i not in (0, 3)]


def test_prompt_tokens_are_computed_or_reused_and_the_sums_are_the_engines(engine: WeightedEngine) -> None:
    requests = [*mixed(10), *mixed(10)]
    completions = gather_all(engine.generate(r) for r in requests)
    for r, c in zip(requests, completions, strict=True):
        assert c.computed + c.reused == len(r.prompt)
        assert min(c.computed, c.reused) >= 0
    assert engine.tokens_prefilled == sum(c.computed for c in completions)
    assert engine.tokens_reused == sum(c.reused for c in completions)
    assert engine.tokens_generated == sum(len(c.tokens) for c in completions)


def test_a_branch_at_any_token_is_scored_as_if_it_had_never_been_shared(engine: WeightedEngine) -> None:
    """One event loop, so that an engine may reuse what it computed; another loop gives the values to compare with."""
    start = Pieces().encode("abc")

    async def branches() -> list[tuple[tuple[int, ...], tuple[int, ...], tuple[float, ...]]]:
        first = await engine.generate(request(start, 8, seed=1))
        found = []
        for cut in range(len(first.tokens)):
            prompt = start + first.tokens[:cut]
            continuation = first.tokens[cut:]
            found.append((prompt, continuation, await engine.score(prompt, continuation)))
        return found

    if isinstance(engine, ScriptedEngine):
        pytest.skip("a script answers the prompts that it names")
    for prompt, continuation, scores in run(branches()):
        assert scores == pytest.approx(run(engine.score(prompt, continuation)), abs=1e-5)


def test_cancelling_everything_leaves_an_engine_that_works_and_takes_new_weights(engine: WeightedEngine) -> None:
    async def cancel_all() -> None:
        tasks = [asyncio.create_task(engine.generate(r)) for r in mixed(10)]
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    expected = [c.tokens for c in gather_all(engine.generate(r) for r in mixed(4))]
    run(cancel_all())
    assert [c.tokens for c in gather_all(engine.generate(r) for r in mixed(4))] == expected
    state = engine._model.state_dict() if isinstance(engine, LocalEngine) else {}
    engine.replace_weights(state, 1)
    assert engine.version == 1
    again = gather_all(engine.generate(r) for r in mixed(4))
    assert [c.tokens for c in again] == expected
    assert {c.version for c in again} == {1}
