"""What the trainer does around a loss: entropy with gradient, corrections over several steps, epochs, a fresh start."""

from __future__ import annotations

import pytest
import torch

from ponder.learning.backends.backend import of_logits
from ponder.learning.packed import head
from ponder.losses.clipped import Clipped
from ponder.losses.covariance import KLCov
from ponder.losses.reinforce import Reinforce
from tests.learning.factory import model, samples, trainer


@pytest.mark.parametrize("chunk", [10_000, 64])
@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_the_gradient_of_the_entropy_is_exact(monkeypatch: pytest.MonkeyPatch, chunk: int, temperature: float):
    monkeypatch.setitem(head.CHUNK, "cpu", chunk)
    torch.manual_seed(0)
    hidden, weight, targets = torch.randn(5, 8), torch.randn(32, 8), torch.randint(0, 32, (5,))

    def gradients(packed: bool) -> list[torch.Tensor]:
        h, w = hidden.clone().requires_grad_(), weight.clone().requires_grad_()
        logprobs, entropy = (
            head.chosen(h, w, targets, temperature, entropy_gradient=True)
            if packed
            else of_logits(h @ w.mT, targets, temperature, True)
        )
        return list(torch.autograd.grad((logprobs * torch.arange(5.0) + 2 * entropy).sum(), [h, w]))

    for found, expected in zip(gradients(True), gradients(False), strict=True):
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("backend", ["packed", "module"])
def test_an_entropy_bonus_raises_the_entropy(backend: str):
    rows = samples(6)
    learner = trainer(model(), Reinforce(entropy_coef=50.0), backend=backend, learning_rate=3e-3)
    first = learner.update(rows).entropy
    for _ in range(5):
        last = learner.update(rows).entropy
    assert first is not None and last is not None and last > first + 0.1


def test_a_correction_over_several_steps_compares_with_the_learner_before_the_first():
    rows = samples(6)
    loss = Clipped(correction="truncate", correction_cap=1e9)
    one = trainer(model(), loss).update(rows)
    several = trainer(model(), loss, minibatches=3, learning_rate=1e-5).update(rows)
    assert several.steps == 3
    assert several.metrics["correction_weight"] == pytest.approx(one.metrics["correction_weight"], rel=1e-3)
    assert several.flops > one.flops  # the forward pass before the first step is counted


def test_epochs_go_over_the_samples_again():
    report = trainer(model(), epochs=3).update(samples(4))
    assert report.steps == 3
    assert report.tokens == 3 * sum(sum(map(int, s.mask_T)) for s in samples(4))


def test_from_start_begins_every_update_with_the_same_weights():
    rows = samples(4)
    twice, once = trainer(model(), from_start=True), trainer(model(), from_start=True)
    twice.update(samples(4, seed=9))
    twice.update(rows)
    once.update(rows)
    for name, parameter in twice.model.named_parameters():
        torch.testing.assert_close(parameter, dict(once.model.named_parameters())[name], atol=1e-6, rtol=1e-5)


def test_marks_do_not_depend_on_micro_batches():
    rows = samples(6)
    whole, split = (
        trainer(model(), KLCov(share=0.2), micro_tokens=tokens, epochs=2).update(rows) for tokens in (10_000, 1)
    )
    assert whole.metrics["covariance_share"] == split.metrics["covariance_share"] > 0
    assert whole.loss == pytest.approx(split.loss, abs=1e-5)
