from __future__ import annotations

import math

import pytest
import torch

from ponder.losses.clipped import Clipped
from ponder.losses.cloning import Cloning
from ponder.losses.gspo import GSPO
from ponder.losses.kl import k3
from ponder.losses.loss import TokenRows
from ponder.losses.normalisation import LeftOut, row_weights
from ponder.types import Sample

LOSS = Clipped(clip_low=0.2, clip_high=0.3)


def one(logprob: torch.Tensor, sampler: float, advantage: float, reference: float | None = None) -> TokenRows:
    """A single row of a single token."""
    start = None if reference is None else torch.tensor([reference])
    return TokenRows(logprob, torch.tensor([sampler]), torch.tensor([advantage]), torch.tensor([0]), 1, start)


def value_and_gradient(ratio: float, advantage: float) -> tuple[float, float, bool]:
    """The loss of one token with probability ratio `ratio`, and its derivative by the log-probability."""
    logprob = torch.tensor([math.log(ratio) - 1.0], requires_grad=True)
    terms = LOSS(one(logprob, -1.0, advantage))
    terms.loss_N.sum().backward()
    assert logprob.grad is not None
    return float(terms.loss_N.detach()), float(logprob.grad), bool(terms.metrics["clip_fraction"])


@pytest.mark.parametrize(
    ("ratio", "advantage", "loss", "gradient", "clipped"),
    [
        (1.0, 2.0, -2.0, -2.0, False),  # on-policy: the gradient is that of REINFORCE
        (1.0, -2.0, 2.0, 2.0, False),
        (1.25, 2.0, -2.5, -2.5, False),  # inside the upper clip
        (1.5, 2.0, -2.6, 0.0, True),  # beyond it: held at 1.3
        (1.5, -2.0, 3.0, 3.0, False),  # a bad token grown likelier is always pushed back
        (0.5, -2.0, 1.6, 0.0, True),  # a bad token already made rare: held at 0.8
        (0.5, 2.0, -1.0, -1.0, False),  # a good token made rare is always pulled back
    ],
)
def test_the_clip_holds_only_steps_that_went_far_enough(ratio, advantage, loss, gradient, clipped):
    found_loss, found_gradient, found_clipped = value_and_gradient(ratio, advantage)
    assert (found_loss, found_gradient) == pytest.approx((loss, gradient), abs=1e-6)
    assert found_clipped is clipped


def test_an_absurd_ratio_stays_finite():
    loss, gradient, _ = value_and_gradient(1e30, -1.0)
    assert math.isfinite(loss)
    assert math.isfinite(gradient)


def test_the_pull_to_the_reference_adds_its_estimate_and_nothing_without_a_reference():
    pulled = Clipped(kl_coef=0.5)(one(torch.tensor([-1.0]), -1.0, 0.0, -2.0))
    assert float(pulled.loss_N) == pytest.approx(0.5 * (math.exp(-1.0) - 1 + 1.0))
    assert float(Clipped(kl_coef=0.5)(one(torch.tensor([-1.0]), -1.0, 0.0)).loss_N) == 0.0


def categorical() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Logits of a small policy, its log-probabilities and those of a reference."""
    logits = torch.tensor([0.3, -0.7, 1.1], requires_grad=True)
    return logits, logits.log_softmax(0), torch.tensor([0.2, 0.5, 0.3]).log()


def test_k1_and_k3_have_the_divergence_as_their_expectation():
    _, policy, reference = categorical()
    p = policy.exp()
    divergence = (p * (policy - reference)).sum()
    assert float((p * k3(policy, reference)).detach().sum()) == pytest.approx(float(divergence.detach()))
    assert bool((k3(policy, reference) >= 0).all())


def test_gradients_of_the_three_estimators_on_policy():
    """As a loss on samples of pi, k1 pushes nowhere, k2 follows KL(pi || ref) and k3 follows KL(ref || pi)."""
    logits, policy, reference = categorical()
    p, difference = policy.detach().exp(), policy - reference

    def gradient(value: torch.Tensor) -> list[float]:
        (found,) = torch.autograd.grad(value.sum(), logits, retain_graph=True)
        return [round(x, 6) for x in found.tolist()]

    forward = gradient(policy.exp() * difference)
    backward = gradient(reference.exp() * (reference - policy))
    assert gradient(p * difference) == pytest.approx([0.0] * 3, abs=1e-6)
    assert gradient(p * difference**2 / 2) == pytest.approx(forward, abs=1e-5)
    assert gradient(p * k3(policy, reference)) == pytest.approx(backward, abs=1e-5)
    assert forward != pytest.approx(backward, abs=1e-3)


def test_cloning_is_the_negative_log_likelihood():
    terms = Cloning()(TokenRows(torch.tensor([-0.25, -2.0]), torch.zeros(2), torch.ones(2), torch.zeros(2).long(), 1))
    assert terms.loss_N.tolist() == [0.25, 2.0]
    assert terms.metrics == {}


def two_rows(logprobs: torch.Tensor) -> TokenRows:
    """Row 0 has tokens with log-ratios 0.2 and 0.0, row 1 one with -0.3."""
    ratios = torch.tensor([0.2, 0.0, -0.3])
    return TokenRows(logprobs, logprobs.detach() - ratios, torch.tensor([1.0, 1.0, -2.0]), torch.tensor([0, 0, 1]), 2)


def test_gspo_weighs_an_answer_by_the_mean_of_its_log_ratios():
    logprobs = torch.tensor([-1.0, -2.0, -3.0], requires_grad=True)
    terms = GSPO(clip_low=1.0, clip_high=10.0)(two_rows(logprobs))
    first, second = math.exp(0.1), math.exp(-0.3)
    assert terms.loss_N.tolist() == pytest.approx([-first, -first, 2 * second])
    # Averaged over its tokens, a row's gradient is s A / |y| on each of them.
    (terms.loss_N * torch.tensor([0.5, 0.5, 1.0])).sum().backward()
    assert logprobs.grad is not None
    assert logprobs.grad.tolist() == pytest.approx([-first / 2, -first / 2, 2 * second])


def test_gspo_clips_a_whole_answer_at_once():
    logprobs = torch.tensor([-1.0, -2.0, -3.0], requires_grad=True)
    terms = GSPO(clip_low=0.2, clip_high=0.05)(two_rows(logprobs))  # exp(0.1) > 1.05, exp(-0.3) < 0.8
    assert terms.metrics["clip_fraction"].tolist() == [1.0, 1.0, 1.0]
    terms.loss_N.sum().backward()
    assert logprobs.grad is not None
    assert logprobs.grad.tolist() == [0.0, 0.0, 0.0]


def test_gspo_on_answers_of_one_token_is_the_token_level_clip():
    logprobs = torch.tensor([-1.0, -2.0])
    rows = TokenRows(logprobs, torch.tensor([-1.1, -1.5]), torch.tensor([1.0, -1.0]), torch.tensor([0, 1]), 2)
    gspo, clipped = (kind(clip_low=0.2, clip_high=0.28)(rows).loss_N for kind in (GSPO, Clipped))
    torch.testing.assert_close(gspo, clipped)


def row(mask: tuple[float, ...]) -> Sample:
    ones = (1.0,) * len(mask)
    return Sample("r", (2,), (3,) * len(mask), ones, mask, ones)


def test_each_normalisation_on_one_short_and_one_long_row():
    rows = [row((1.0, 0.0)), row((1.0, 1.0, 1.0))]
    assert row_weights(rows, "token", 10) == [1 / 4, 1 / 4]
    assert row_weights(rows, "sequence", 10) == [1 / 2, 1 / 6]
    assert row_weights(rows, "constant", 10) == [1 / 20, 1 / 20]


def test_token_and_sequence_agree_on_equal_lengths():
    rows = [row((1.0, 1.0))] * 3
    assert row_weights(rows, "token", 1) == pytest.approx(row_weights(rows, "sequence", 1))


def test_a_row_without_trained_tokens_divides_nothing_by_zero():
    assert row_weights([row((0.0,))], "token", 1) == [0.0]
    assert row_weights([row((0.0,))], "sequence", 1) == [0.0]


def test_rows_left_out_count_in_the_mean_where_the_loss_says_so():
    rows = [row((1.0, 1.0))] * 2
    out = LeftOut(rows=2, tokens=4)
    assert row_weights(rows, "constant", 10, out) == [1 / 40] * 2
    assert row_weights(rows, "sequence", 10, out) == [1 / 8] * 2
    assert row_weights(rows, "token", 10, out) == [1 / 8] * 2
    assert out.part(2) == LeftOut(1, 2)
