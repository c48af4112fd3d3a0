"""What a step is said to cost before it runs, held to what it costs."""

from __future__ import annotations

import pytest
import torch
from torch.profiler import ProfilerActivity, profile
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from ponder.learning.policy import PolicyTrainer
from ponder.losses.clipped import Clipped
from ponder.types import PonderError, Sample
from tests.learning.factory import VOCABULARY, model, samples, trainer

# The prediction may be off by this factor either way.
FACTOR = 1.5


def llama(**changes) -> LlamaForCausalLM:
    torch.manual_seed(0)
    shape = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 4, "vocab_size": 300, **changes}
    lm = LlamaForCausalLM(LlamaConfig(num_attention_heads=4, num_key_value_heads=2, **shape))
    lm.eval()
    return lm


def gpt2() -> GPT2LMHeadModel:
    torch.manual_seed(0)
    lm = GPT2LMHeadModel(GPT2Config(vocab_size=300, n_embd=64, n_layer=4, n_head=4, n_positions=256))
    lm.eval()
    return lm


def rows(groups: int, size: int, prompt: int, response: int) -> list[Sample]:
    ones = (1.0,) * response
    return [
        Sample(
            f"{g}-{i}",
            (3 + g,) * prompt,
            tuple(3 + (i + t) % 20 for t in range(response)),
            ones,
            ones,
            (-1.0,) * response,
        )
        for g in range(groups)
        for i in range(size)
    ]


def peak(learner: PolicyTrainer, given: list[Sample]) -> tuple[int, int]:
    """Predicted bytes, and the most that torch's allocator held above the weights (moments included) in a step."""
    learner.update(given[:1])
    moments = sum(t.nbytes for t in learner.state().tensors.values())
    learner.core.zero()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True, acc_events=True) as measured:
        learner.update(given)
    assert measured.profiler is not None and measured.profiler.kineto_results is not None
    events = [e for e in measured.profiler.kineto_results.events() if e.name() == "[memory]"]
    held = most = 0
    for event in sorted(events, key=lambda e: e.start_ns()):
        held += event.nbytes()
        most = max(most, held)
    return learner.predict(given).bytes, most + moments


@pytest.mark.parametrize(
    ("make", "given", "changes"),
    [
        (llama, rows(4, 4, 32, 32), {}),
        (llama, rows(1, 3, 200, 300), {}),
        (lambda: llama(head_dim=32), rows(1, 3, 200, 300), {}),
        (llama, rows(8, 1, 16, 48), {"precision": "bfloat16"}),
        (lambda: llama(vocab_size=20_000), rows(2, 4, 16, 64), {}),
        (gpt2, rows(2, 4, 32, 32), {}),
    ],
    ids=["groups", "long", "compiled", "bfloat16", "vocabulary", "another architecture"],
)
def test_the_predicted_peak_is_that_of_the_allocator_within_a_factor(make, given, changes):
    predicted, measured = peak(trainer(make(), **changes), given)
    assert measured / FACTOR <= predicted <= measured * FACTOR


def test_a_step_over_the_limit_is_split_and_its_gradient_is_the_same():
    given = rows(3, 4, 8, 16)
    whole = trainer(model())
    limit = whole.predict(given).bytes * 2 // 3
    split = trainer(model(), memory_gb=limit / 1e9)
    expected, found = whole.predict(given), split.predict(given)
    assert expected.micro_batches == 1 < found.micro_batches
    assert found.bytes <= limit < expected.bytes
    assert whole.update(given).loss == pytest.approx(split.update(given).loss, abs=1e-6)
    for one, other in zip(whole.model.parameters(), split.model.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, atol=1e-5, rtol=1e-4)


def test_a_sample_that_cannot_fit_is_refused_before_anything_runs():
    learner = trainer(model(), memory_gb=1e-6)
    before = [p.clone() for p in learner.model.parameters()]
    with pytest.raises(PonderError, match=r"sample s0 needs about [\d.e-]+ GB .* trainer.memory_gb is 1e-06; raise it"):
        learner.update(samples(1))
    assert all(torch.equal(a, b) for a, b in zip(before, learner.model.parameters(), strict=True))
    assert (learner.steps, learner.core.skips) == (0, 0)


@pytest.mark.parametrize("kl", [0.0, 0.1])
def test_predicted_work_is_the_work_that_is_reported(kl):
    given = [*samples(5), *rows(2, 3, 4, 6)]
    learner = trainer(model(), Clipped(kl_coef=kl), minibatches=2, micro_tokens=40)
    predicted, report = learner.predict(given), learner.update(given)
    assert predicted.flops == pytest.approx(report.flops)
    assert predicted.tokens == report.forwarded


def test_the_work_of_a_step_counted_by_hand():
    """Two answers to one prompt of 3 tokens: 3 + 1 + 1 tokens go through the layers and 4 through the head."""
    given = [Sample(str(i), (3, 4, 5), (6 + i, 7), (1.0,) * 2, (1.0,) * 2, (-1.0,) * 2) for i in range(2)]
    layer = 2 * (16 * 4 * (2 * 4 + 2 * 2) + 3 * 16 * 32)
    pairs = 3 * 2 + 2 * 4  # a prompt token sees 2 on average, a response's first input 4
    forward = 2 * (5 * layer + 4 * 4 * 4 * pairs) + 4 * 2 * 16 * VOCABULARY
    assert trainer(model()).predict(given).flops == 3 * forward


def test_no_samples_cost_nothing():
    predicted = trainer(model()).predict([])
    assert (predicted.micro_batches, predicted.tokens, predicted.flops, predicted.bytes) == (0, 0, 0.0, 0)
