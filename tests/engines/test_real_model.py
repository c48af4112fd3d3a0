"""The local engine on a real pretrained model. Opt-in: PONDER_TEST_MODEL names the folder of SmolLM2-135M-Instruct.

ponder models get smollm2 --out models/smollm2
PONDER_TEST_MODEL=models/smollm2 python -m pytest tests/engines/test_real_model.py
"""

from __future__ import annotations

import copy
import os
from typing import Any

import pytest
import torch

from ponder.engines.local.engine import LocalEngine
from ponder.engines.loop import gather_all, run
from ponder.engines.parity import Parity, module_logprobs
from ponder.models.ends import end_tokens
from ponder.models.load import Loaded, load
from ponder.policy.codec import Codec
from ponder.policy.prompts import Prompts
from ponder.protocols import Request, WeightSource
from ponder.types import Question, StopReason

FOLDER = os.environ.get("PONDER_TEST_MODEL", "")
pytestmark = pytest.mark.skipif(not FOLDER, reason="opt-in: PONDER_TEST_MODEL=FOLDER")
QUESTIONS = ("What is the capital of France?", "What is 7 plus 5?", "Name a colour.")


@pytest.fixture(scope="module")
def loaded() -> Loaded:
    return load(FOLDER)


@pytest.fixture(scope="module")
def codec(loaded: Loaded) -> Codec:
    return Codec(loaded.tokenizer, end_tokens(loaded.model))


def chat(codec: Codec, text: str) -> tuple[int, ...]:
    """The model's own chat, without Ponder's thinking."""
    turns = [{"role": "user", "content": text}]
    return codec.encode(str(codec.tokenizer.apply_chat_template(turns, add_generation_prompt=True, tokenize=False)))


def test_it_knows_the_capital_of_france_and_ends_there(loaded: Loaded, codec: Codec):
    engine = LocalEngine(loaded.model, codec, shared=True)
    greedy = [Request(chat(codec, q), 24, 0, temperature=0.0) for q in QUESTIONS]
    found = gather_all(engine.generate(r) for r in greedy)
    assert "Paris" in codec.decode(found[0].tokens)
    assert found[0].stop is StopReason.END and found[0].tokens[-1] in codec.end_ids
    for r, c in zip(greedy, found, strict=True):
        ids = torch.tensor([r.prompt])
        generate: Any = loaded.model.generate  # the library's types take it for a tensor
        expected = generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=24, do_sample=False)
        assert c.tokens == tuple(expected[0, len(r.prompt) :].tolist())
    plain = run(engine.generate(Request(codec.encode("The capital of France is"), 3, 0, temperature=0.0)))
    assert codec.decode(plain.tokens).startswith(" Paris")


def test_a_prompt_of_ponder_is_what_its_template_writes(codec: Codec):
    question = Question("q", "x", "What is 1 + 2?", "Answer with a number.")
    prompts = Prompts(codec)
    assert codec.tokenizer.decode(list(prompts.tokens(question))) == prompts.text(question)
    assert prompts.tokens(question) == codec.encode(prompts.text(question))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_draws_agree_with_the_trainers_forward_before_and_after_an_update(
    loaded: Loaded, codec: Codec, dtype: torch.dtype
):
    trainer = copy.deepcopy(loaded.model)
    engine = LocalEngine(copy.deepcopy(loaded.model), codec, dtype=dtype)
    check = Parity(half=dtype == torch.bfloat16)

    def forward(prompt, continuation):
        return module_logprobs(trainer, prompt, continuation)

    for version in range(2):
        if version:
            with torch.no_grad():
                for parameter in trainer.parameters():
                    parameter.mul_(1 + 0.01 * torch.randn_like(parameter))
            run(engine.update_weights(WeightSource(tensors=trainer.state_dict()), version))
        requests = [Request(chat(codec, q), 24, i, top_p=(1.0, 0.9)[i % 2]) for i, q in enumerate(QUESTIONS)]
        found = gather_all(engine.generate(r) for r in requests)
        texts = [(r.prompt, c.tokens) for r, c in zip(requests, found, strict=True)]
        gap = run(check.check(engine, forward, texts, version))
        print(f"{dtype} version {version}: {gap}")  # noqa: T201  (pytest -s shows the figures)
        assert gap is not None
