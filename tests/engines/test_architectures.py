"""The local engine on nine architectures: greedy texts of `generate`, scores of the module, updates, bfloat16."""

from __future__ import annotations

import asyncio
import copy
from typing import Any

import pytest
import torch
from transformers import PreTrainedModel

from ponder.engines.local.engine import LocalEngine
from ponder.engines.loop import gather_all, run
from ponder.engines.parity import Parity, module_logprobs
from ponder.models.ends import end_tokens
from ponder.policy.codec import Codec
from ponder.protocols import Completion, Request, WeightSource
from ponder.types import PonderError, StopReason
from tests.models.architectures import ARCHITECTURES, END, PAD, WINDOW, make, tokenizer

NEW = 20
# Unequal lengths, some longer than a sliding window, two that share their beginning.
LENGTHS = (1, 3, 17, WINDOW + 5, 2 * WINDOW + 11, 60)
PROMPTS = [tuple(7 + (31 * i * i + 5 * j) % 250 for i in range(n)) for j, n in enumerate(LENGTHS)]
PROMPTS.append(PROMPTS[4][:30] + PROMPTS[3][:9])


def engine_of(lm: PreTrainedModel, **options: Any) -> LocalEngine:
    return LocalEngine(copy.deepcopy(lm), Codec(tokenizer(), end_tokens(lm)), **options)


def greedy(lm: PreTrainedModel, prompt: tuple[int, ...]) -> tuple[int, ...]:
    ids = torch.tensor([prompt])
    generate: Any = lm.generate  # the library's types take it for a tensor
    found = generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=NEW, do_sample=False, pad_token_id=PAD)
    tokens: list[int] = found[0, len(prompt) :].tolist()
    return tuple(tokens)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_greedy_texts_are_those_of_generate(name: str):
    lm = make(name)
    found = gather_all(engine_of(lm).generate(Request(p, NEW, 0, temperature=0.0)) for p in PROMPTS)
    for prompt, completion in zip(PROMPTS, found, strict=True):
        assert completion.tokens == greedy(lm, prompt)
        ended = completion.tokens[-1] == END
        assert completion.stop is (StopReason.END if ended else StopReason.LENGTH)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_draws_and_scores_have_the_modules_log_probabilities(name: str):
    lm, engine = make(name), engine_of(make(name))
    found = gather_all(engine.generate(Request(p, NEW, i)) for i, p in enumerate(PROMPTS))
    scores = gather_all(engine.score(p, c.tokens) for p, c in zip(PROMPTS, found, strict=True))
    for prompt, completion, scored in zip(PROMPTS, found, scores, strict=True):
        exact = module_logprobs(lm, prompt, completion.tokens)
        assert completion.logprobs == pytest.approx(exact, abs=2e-4)
        assert scored == pytest.approx(exact, abs=2e-4)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_new_weights_under_running_requests_draw_what_they_say(name: str):
    old, new = make(name), make(name, seed=1)
    engine = engine_of(old)

    async def drive() -> list[Completion]:
        tasks = [asyncio.create_task(engine.generate(Request(p, NEW, i))) for i, p in enumerate(PROMPTS)]
        for _ in range(14):
            await asyncio.sleep(0)
        await engine.update_weights(WeightSource(tensors=new.state_dict()), 1)
        return await asyncio.gather(*tasks)

    found = run(drive())
    assert sum(bool(c.versions) for c in found) > 3
    for prompt, c in zip(PROMPTS, found, strict=True):
        exact = [module_logprobs(lm, prompt, c.tokens) for lm in (old, new)]
        by = c.versions or (c.version,) * len(c.tokens)
        assert c.logprobs == pytest.approx([exact[v][i] for i, v in enumerate(by)], abs=2e-4)
    texts = [(p, c.tokens) for p, c in zip(PROMPTS, found, strict=True)]
    gap = run(Parity(texts=9).check(engine, lambda p, c: module_logprobs(new, p, c), texts, 1))
    assert gap is not None and gap.largest < 2e-4


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_bfloat16_engine_passes_the_check_against_its_float32_trainer_and_stale_weights_do_not(name: str):
    old, new = make(name), make(name, seed=1)
    engine, check = engine_of(old, dtype=torch.bfloat16), Parity(half=True, texts=9)
    texts = [(p, tuple(7 + (13 * i) % 200 for i in range(12))) for p in PROMPTS]
    gap = run(check.check(engine, lambda p, c: module_logprobs(old, p, c), texts, 0))
    assert gap is not None and 1e-5 < gap.mean < 0.045
    with pytest.raises(PonderError, match="differ from the trainer's"):
        run(check.check(engine, lambda p, c: module_logprobs(new, p, c), texts, 0))
    engine.replace_weights(new.state_dict(), 1)
    assert run(check.check(engine, lambda p, c: module_logprobs(new, p, c), texts, 1)) is not None
