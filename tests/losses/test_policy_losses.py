"""Dual clip, CISPO, REINFORCE, Clip-Cov, KL-Cov and what may be added to any loss: numbers by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from ponder.losses.additions import correction
from ponder.losses.cispo import CISPO
from ponder.losses.clipped import Clipped
from ponder.losses.cloning import Cloning
from ponder.losses.covariance import ClipCov, KLCov, covariances
from ponder.losses.kl import ESTIMATORS
from ponder.losses.loss import Loss, TokenRows
from ponder.losses.reinforce import Reinforce
from ponder.types import Sample

NOBODY: Any = None  # losses here ask no model before a step


def rows(log_ratios: list[float], advantages: list[float], **more: Any) -> tuple[TokenRows, torch.Tensor]:
    """One row; the learner's log-probability is -1 everywhere and the sampler's follows from the ratio."""
    logprobs = torch.full((len(log_ratios),), -1.0, requires_grad=True)
    sampler = logprobs.detach() - torch.tensor(log_ratios)
    at = torch.zeros(len(log_ratios), dtype=torch.long)
    more = {name: torch.tensor(values) for name, values in more.items()}
    return TokenRows(logprobs, sampler, torch.tensor(advantages), at, 1, **more), logprobs


def gradient(loss: Loss, tokens: TokenRows, logprobs: torch.Tensor) -> list[float]:
    (found,) = torch.autograd.grad(loss(tokens).loss_N.sum(), logprobs)
    return found.tolist()


def test_the_dual_clip_bounds_what_a_bad_token_costs():
    tokens, logprobs = rows([math.log(2.0), math.log(4.0)], [-1.0, -1.0])
    loss = Clipped(dual_clip=3.0)
    assert loss(tokens).loss_N.tolist() == pytest.approx([2.0, 3.0])
    assert gradient(loss, tokens, logprobs) == pytest.approx([2.0, 0.0])
    assert gradient(Clipped(), tokens, logprobs) == pytest.approx([2.0, 4.0])
    with pytest.raises(ValidationError, match="must be above 1"):
        Clipped(dual_clip=0.5)


def test_cispo_caps_the_weight_and_keeps_the_gradient():
    tokens, logprobs = rows([0.0, math.log(3.0), math.log(8.0)], [1.0, 1.0, 2.0])
    loss = CISPO(cap=5.0)
    assert gradient(loss, tokens, logprobs) == pytest.approx([-1.0, -3.0, -10.0])
    assert loss(tokens).metrics["clip_fraction"].tolist() == [0.0, 0.0, 1.0]
    with pytest.raises(ValidationError):
        CISPO(cap=0.2)  # a clip range taken for the cap would shrink every token


@pytest.mark.parametrize("loss", [CISPO(), Clipped(), Reinforce()])
def test_on_policy_they_all_are_reinforce(loss: Loss):
    tokens, logprobs = rows([0.0, 0.0], [0.5, -2.0])
    assert gradient(loss, tokens, logprobs) == pytest.approx([-0.5, 2.0])


def test_the_correction_truncates_or_masks_tokens_and_sequences():
    more = {"old_N": [-1.5, -0.5]}
    tokens, logprobs = rows([0.5, 1.0], [1.0, 1.0], **more)  # the sampler said -1.5 and -2: old / mu is 1 and e^1.5
    by_token = Reinforce(correction="truncate", correction_cap=2.0)
    assert gradient(by_token, tokens, logprobs) == pytest.approx([-1.0, -2.0])
    masked = Reinforce(correction="mask", correction_cap=2.0)
    assert gradient(masked, tokens, logprobs) == pytest.approx([-1.0, 0.0])
    whole = Reinforce(correction="truncate", correction_level="sequence", correction_cap=3.0)
    assert correction(whole, tokens)[0].tolist() == pytest.approx([3.0, 3.0])  # e^1.5 = 4.48 for both
    loose = Reinforce(correction="mask", correction_level="sequence", correction_cap=5.0)
    assert correction(loose, tokens)[0].tolist() == pytest.approx([math.exp(1.5)] * 2)


def test_with_a_correction_the_ratio_is_that_to_the_learner_before_the_update():
    tokens, _ = rows([0.5, 1.0], [1.0, 1.0], old_N=[-1.0, -1.0])
    assert tokens.log_ratio_N.tolist() == [0.0, 0.0]
    equal, _ = rows([0.0], [1.0], old_N=[-1.0])
    assert Clipped(correction="truncate")(equal).loss_N.tolist() == Clipped()(equal).loss_N.tolist()
    with pytest.raises(ValidationError, match="nothing to correct"):
        Cloning(correction="truncate")


def test_the_entropy_bonus_is_taken_off_the_loss():
    tokens, _ = rows([0.0], [0.0], entropy_N=[0.7])
    assert Reinforce(entropy_coef=0.1)(tokens).loss_N.tolist() == pytest.approx([-0.07])


@pytest.mark.parametrize(("name", "value"), [("k1", 0.3), ("k2", 0.045), ("k3", math.exp(-0.3) - 0.7)])
def test_each_estimator_is_reachable_by_a_setting(name: str, value: float):
    tokens, _ = rows([0.0], [0.0], reference_N=[-1.3])
    assert float(ESTIMATORS[name](torch.tensor(-1.0), torch.tensor(-1.3))) == pytest.approx(value)
    assert Reinforce.model_validate({"kl_coef": 2.0, "kl_estimator": name})(tokens).loss_N.tolist() == pytest.approx(
        [2 * value]
    )


def test_k1_as_a_reward_has_the_gradient_of_the_divergence():
    """The policy gradient of the reward -k1 is minus the gradient of KL(pi || ref), exactly, on a small categorical."""
    logits = torch.tensor([0.3, -0.7, 1.1], requires_grad=True)
    policy, reference = logits.log_softmax(0), torch.tensor([0.2, 0.5, 0.3]).log()
    reward = -(policy - reference).detach()
    (by_reward,) = torch.autograd.grad((policy.detach().exp() * reward * policy).sum(), logits, retain_graph=True)
    (by_divergence,) = torch.autograd.grad((policy.exp() * (policy - reference)).sum(), logits)
    torch.testing.assert_close(by_reward, -by_divergence)


def sample(logprobs: list[float], advantages: list[float], mask: list[float] | None = None) -> Sample:
    ones = tuple(mask or [1.0] * len(logprobs))
    return Sample("s", (2,), (3,) * len(logprobs), tuple(advantages), ones, tuple(logprobs))


def test_a_tokens_part_of_the_covariance_by_hand():
    # Means of the trained tokens: log-probability -2, advantage 0.
    found = covariances([sample([-1.0, -9.0], [2.0, 9.0], [1.0, 0.0]), sample([-3.0], [-2.0])])
    assert [part.tolist() for part in found] == [[2.0, -math.inf], [2.0]]


def test_clip_cov_takes_the_gradient_off_marked_tokens_alone():
    loss = ClipCov(share=1.0, low=1.0, high=5.0)
    marks = loss.marks([sample([-1.0, -3.0, -2.0], [2.0, -2.0, 0.0])], NOBODY)
    assert marks == [(1.0, 1.0, 0.0)]
    tokens, logprobs = rows([0.0, 0.0, 0.0], [2.0, -2.0, 1.0], marks_N=list(marks[0]))
    assert gradient(loss, tokens, logprobs) == pytest.approx([0.0, 0.0, -1.0])


def test_kl_cov_pulls_the_tokens_with_the_largest_parts():
    loss = KLCov(share=0.4, coef=2.0)
    assert loss.marks([sample([-1.0, -3.0, -2.0], [2.0, -1.0, -1.0])], NOBODY) == [(1.0, 0.0, 0.0)]
    tokens, logprobs = rows([0.5, 0.5], [0.0, 0.0], marks_N=[1.0, 0.0])
    assert gradient(loss, tokens, logprobs) == pytest.approx([2.0 * 0.5, 0.0])
    on_policy, logprobs = rows([0.0], [1.0], marks_N=[1.0])
    assert gradient(loss, on_policy, logprobs) == pytest.approx([-1.0])  # at the first step it is REINFORCE


def test_equal_advantages_mark_nothing():
    equal = [sample([-1.0, -3.0], [1.0, 1.0])]
    assert KLCov(share=1.0).marks(equal, NOBODY) == ClipCov(share=1.0).marks(equal, NOBODY) == [(0.0, 0.0)]


def test_the_covariance_is_the_first_order_change_of_the_entropy():
    """On a softmax bandit a policy-gradient step of size e changes the entropy by -e cov(log p, step)."""
    logits = torch.tensor([0.5, -0.2, 0.1], dtype=torch.float64)
    advantages = torch.tensor([1.0, -0.5, 0.2], dtype=torch.float64)

    def entropy(z: torch.Tensor) -> torch.Tensor:
        return -(z.softmax(0) * z.log_softmax(0)).sum()

    p, logs = logits.softmax(0), logits.log_softmax(0)
    step, size = p * (advantages - (p * advantages).sum()), 1e-6
    change = (entropy(logits + size * step) - entropy(logits)) / size
    covariance = (p * (logs - (p * logs).sum()) * step).sum()
    assert float(change) == pytest.approx(-float(covariance), rel=1e-4)
