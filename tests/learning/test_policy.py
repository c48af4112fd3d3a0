from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch

from ponder.config import load
from ponder.learning.policy import PolicyTrainer
from ponder.learning.settings import TrainerSettings
from ponder.losses.clipped import Clipped
from ponder.losses.cloning import Cloning
from ponder.losses.gspo import GSPO
from ponder.losses.loss import Loss
from ponder.types import PonderError, Sample
from tests.learning.factory import model, samples, trainer


def weights(learner: PolicyTrainer) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in learner.model.named_parameters()}


def gradient(rows: list[Sample], loss: Loss | None = None, **options: Any) -> dict[str, torch.Tensor]:
    """The gradient of one update; AdamW leaves it in place."""
    learner = trainer(model(), loss, **options)
    learner.update(rows)
    return {name: p.grad.clone() for name, p in learner.model.named_parameters() if p.grad is not None}


def by_hand(rows: list[Sample], temperature: float = 1.0) -> tuple[float, dict[str, torch.Tensor]]:
    """Token-normalised clipped loss, one unpadded row at a time through the library's own forward."""
    lm = model()
    total, count = torch.zeros(()), sum(sum(row.mask_T) for row in rows)
    for row in rows:
        ids = torch.tensor([[*row.prompt, *row.response]])
        logprobs = (lm(ids).logits[0] / temperature).log_softmax(-1)
        for t, token in enumerate(row.response):
            ratio = (logprobs[len(row.prompt) - 1 + t, token] - row.logprobs_T[t]).exp()
            a = row.advantages_T[t]
            total = total - row.mask_T[t] * torch.minimum(ratio * a, ratio.clamp(0.8, 1.28) * a) / count
    total.backward()
    return float(total.detach()), {name: p.grad for name, p in lm.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_loss_and_gradient_are_those_of_the_plain_formula(temperature: float):
    rows = samples(6)
    loss, expected = by_hand(rows, temperature)
    token = Clipped(normalisation="token")
    report = trainer(model(), token, temperature=temperature).update(rows)
    assert report.loss == pytest.approx(loss, abs=1e-6)
    found = gradient(rows, token, temperature=temperature)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, atol=5e-6, rtol=1e-4)


@pytest.mark.parametrize("kind", [Clipped, Cloning, GSPO])
@pytest.mark.parametrize("normalisation", ["token", "sequence", "constant"])
def test_the_cut_into_micro_batches_does_not_change_the_gradient(normalisation, kind):
    loss = kind(normalisation=normalisation)
    rows = [*samples(6), *(replace(s, id=f"x{s.id}", prompt=(3, 4, 5)) for s in samples(6, seed=1))]
    whole = gradient(rows, loss, micro_tokens=10_000)
    for tokens in (1, 40):
        split = gradient(rows, loss, micro_tokens=tokens)
        for name, value in whole.items():
            torch.testing.assert_close(split[name], value, atol=5e-6, rtol=1e-4)


def test_masked_tokens_change_nothing_but_the_context():
    rows = [replace(s, mask_T=(1.0, *(0.0,) * (len(s.response) - 1))) for s in samples(4)]
    changed = [
        replace(
            s,
            advantages_T=(s.advantages_T[0], *(9.0,) * (len(s.response) - 1)),
            response=(s.response[0],) + (3,) * (len(s.response) - 1),
        )
        for s in rows
    ]
    before, after = gradient(rows), gradient(changed)
    for name, value in before.items():
        torch.testing.assert_close(after[name], value, atol=1e-6, rtol=1e-5)


def test_the_report_counts_trained_tokens_and_measures_the_entropy():
    lm = model()
    with torch.no_grad():
        lm.get_output_embeddings().weight.zero_()
    rows = samples(5)
    report = trainer(lm).update(rows)
    assert report.tokens == sum(sum(row.mask_T) for row in rows)
    assert report.entropy == pytest.approx(math.log(32), abs=1e-5)
    sampled = [p for row in rows for p, m in zip(row.logprobs_T, row.mask_T, strict=True) if m]
    assert report.kl_mismatch == pytest.approx(sum(sampled) / len(sampled) + math.log(32), abs=1e-5)
    expected = sum(math.exp(-math.log(32) - p) - 1 + p + math.log(32) for p in sampled) / len(sampled)
    assert report.kl_mismatch_k3 == pytest.approx(expected, rel=1e-4)
    assert report.forwarded == sum(len(row) - 1 for row in rows)
    assert (report.steps, report.skipped, report.samples) == (1, None, 5)


def on_policy(learner: PolicyTrainer, rows: list[Sample]) -> list[Sample]:
    """The same rows with the learner's own log-probabilities as the sampler's."""
    out = []
    for row in rows:
        with torch.no_grad():
            logits = learner.model(torch.tensor([[*row.prompt, *row.response]])).logits[0].log_softmax(-1)
        own = [float(logits[len(row.prompt) - 1 + t, token]) for t, token in enumerate(row.response)]
        out.append(replace(row, logprobs_T=tuple(own)))
    return out


def test_on_policy_there_is_no_mismatch_and_nothing_is_clipped():
    learner = trainer(model())
    report = learner.update(on_policy(learner, samples(6)))
    assert report.kl_mismatch == pytest.approx(0.0, abs=1e-5)
    assert report.kl_mismatch_k3 == pytest.approx(0.0, abs=1e-5)
    assert report.clip_fraction == 0.0


def test_cloning_reports_no_mismatch():
    report = trainer(model(), Cloning()).update(samples(3))
    assert report.kl_mismatch is None
    assert report.clip_fraction is None
    assert report.loss is not None


def test_it_overfits_one_demonstration():
    row = Sample("d", (3, 4), (5, 6, 7, 1), (1.0,) * 4, (1.0,) * 4)
    learner = trainer(model(), Cloning())
    for _ in range(60):
        report = learner.update([row])
    assert report.loss is not None
    assert report.loss < 0.01


def test_policy_gradient_makes_good_tokens_likelier_and_bad_ones_rarer():
    good = Sample("g", (3,), (5,), (1.0,), (1.0,), (0.0,))
    bad = Sample("b", (3,), (6,), (-1.0,), (1.0,), (0.0,))
    learner = trainer(model(), learning_rate=1e-3)
    rows = on_policy(learner, [good, bad])
    before = learner.model(torch.tensor([[3]])).logits[0, 0].log_softmax(-1)
    learner.update(rows)
    after = learner.model(torch.tensor([[3]])).logits[0, 0].log_softmax(-1)
    assert after[5] > before[5]
    assert after[6] < before[6]


def test_the_pull_to_the_start_is_zero_at_the_start_and_shrinks_the_walk():
    rows = samples(6)
    start = model()
    reached = {}
    for coefficient in (0.0, 100.0):
        learner = trainer(model(), loss=Clipped(kl_coef=coefficient), learning_rate=1e-3)
        for _ in range(20):
            report = learner.update(on_policy(learner, rows))
            assert report.skipped is None
        ids = torch.tensor([[*rows[0].prompt, *rows[0].response]])
        new, old = learner.model(ids).logits.log_softmax(-1), start(ids).logits.log_softmax(-1)
        reached[coefficient] = float((new.exp() * (new - old)).detach().sum(-1).mean())
    assert reached[100.0] < reached[0.0] / 3


def test_warm_up_is_linear_and_then_over():
    learner = trainer(model(), warmup_steps=4, learning_rate=0.4)
    rates = [learner.update(samples(2)).learning_rate for _ in range(6)]
    assert rates == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.4, 0.4])


def test_minibatches_are_steps_of_their_own_and_cover_every_sample():
    report = trainer(model(), minibatches=3).update(samples(7))
    assert (report.steps, report.samples) == (3, 7)
    assert report.tokens == sum(sum(row.mask_T) for row in samples(7))


def test_no_samples_is_an_empty_report():
    learner = trainer(model())
    before = weights(learner)
    report = learner.update([])
    assert (report.loss, report.tokens, report.steps, report.entropy) == (None, 0, 0, None)
    assert all(torch.equal(before[name], p) for name, p in weights(learner).items())


def poison_advantage(row: Sample) -> Sample:
    return replace(row, advantages_T=(math.nan,) * len(row.response))


def poison_logprob(row: Sample) -> Sample:
    return replace(row, logprobs_T=(-math.inf,) * len(row.response))


def poison_size(row: Sample) -> Sample:
    return replace(row, advantages_T=(-1e38,) * len(row.response), logprobs_T=(-50.0,) * len(row.response))


@pytest.mark.parametrize("poison", [poison_advantage, poison_logprob, poison_size])
def test_a_poisoned_row_is_named_and_the_step_leaves_no_trace(poison):
    rows = samples(8)
    rows[5] = poison(rows[5])
    learner = trainer(model(), micro_tokens=40)
    learner.update(samples(4, seed=1))
    before, state = weights(learner), {k: v.clone() for k, v in learner.state().tensors.items()}
    report = learner.update(rows)
    assert report.skipped is not None
    assert "not finite" in report.skipped
    assert report.offending == ("s5",)
    assert (report.steps, learner.steps, learner.core.skips) == (0, 1, 1)
    assert all(torch.equal(before[name], p) for name, p in weights(learner).items())
    assert all(torch.equal(state[name], t) for name, t in learner.state().tensors.items())
    assert learner.update(samples(4, seed=1)).steps == 1


def test_a_non_finite_gradient_is_found_even_if_the_loss_is_finite():
    learner = trainer(model())
    learner.model.get_output_embeddings().weight.register_hook(lambda g: g * math.nan)
    report = learner.update(samples(2))
    assert report.skipped == "gradient is not finite"
    assert set(report.offending) == {"s0", "s1"}


def test_too_many_skips_in_a_row_are_an_error_and_a_good_step_starts_the_count_anew():
    learner = trainer(model(), max_skips=2)
    bad = [poison_advantage(samples(1)[0])]
    learner.update(bad)
    learner.update(samples(2))
    learner.update(bad)
    with pytest.raises(PonderError, match=r"2 steps in a row.*s0.*learning rate"):
        learner.update(bad)


def test_rows_of_unequal_fields_are_refused():
    row = samples(1)[0]
    with pytest.raises(PonderError, match="s0: 1 advantages_T for"):
        trainer(model()).update([replace(row, response=row.response + (3,) * 3, advantages_T=(1.0,))])
    with pytest.raises(PonderError, match="prompt is empty"):
        trainer(model()).update([replace(row, prompt=())])


@pytest.mark.parametrize(
    "wrong", ["learning_rate=0.0", "final_rate=2.0", "schedule=step", "minibatches=0", "backend=fast", "memory_gb=-1.0"]
)
def test_settings_out_of_range_are_refused_with_their_value(wrong):
    name, _, value = wrong.partition("=")
    with pytest.raises(PonderError, match=f"{name} must .*{value}"):
        load(TrainerSettings, None, [wrong])


@pytest.mark.parametrize("kl", [0.0, 0.1])
def test_half_the_steps_a_reload_and_the_other_half_end_bit_equal(kl: float):
    options: dict[str, Any] = {"loss": Clipped(kl_coef=kl), "warmup_steps": 5, "minibatches": 2}
    straight = trainer(model(), **options)
    for step in range(6):
        straight.update(samples(6, seed=step))
    first = trainer(model(), **options)
    for step in range(3):
        first.update(samples(6, seed=step))
    second = trainer(model(seed=9), **options)
    second.load_state(first.state())
    for step in range(3, 6):
        second.update(samples(6, seed=step))
    assert all(torch.equal(p, weights(second)[name]) for name, p in weights(straight).items())
    assert second.steps == straight.steps == 12


def test_the_state_of_another_model_is_refused():
    with pytest.raises(PonderError, match="another model"):
        trainer(model(layers=1)).load_state(trainer(model()).state())
