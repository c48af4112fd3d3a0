"""What may be added to any loss: correction between sampler and learner, the pull to the start, an entropy bonus.

**Correction.** The engine that sampled (mu) and the learner compute the same weights with other kernels or other
numbers, so even before the first step of an update pi_old / mu is not 1. The loss is weighted by w = pi_old / mu and
its own ratio becomes pi / pi_old (decoupled PPO, arXiv 2110.00641):

    truncate  w = min(pi_old / mu, cap)                        truncated importance sampling
    mask      w = pi_old / mu where that is at most cap, else 0   masked importance sampling

per token, or per sequence (the product over its trained tokens). With one engine and equal numbers w is 1. Weights
carry no gradient. Sources: Yao et al. 2025, "Your efficient RL framework secretly brings you off-policy training"; per
sequence, Liu et al. 2025, "When speed kills stability".

**Pull.** kl_coef * estimate of KL(pi || start), on the tokens of a first turn times kl_first_turn (SCoRe, arXiv
2409.12917, equation 3). **Bonus.** -entropy_coef * entropy of the policy at each token, exact
and with gradient (the entropy regulariser of A3C, arXiv 1602.01783).
"""

from __future__ import annotations

import torch
from torch import Tensor

from ponder.losses.kl import ESTIMATORS
from ponder.losses.loss import LARGEST_LOG_RATIO, Loss, Terms, TokenRows


def completed(loss: Loss, terms: Terms, tokens: TokenRows) -> Terms:
    """`terms` with everything added that the settings of `loss` ask for, and what was measured in the metrics."""
    loss_N, metrics = terms.loss_N, dict(terms.metrics)
    if loss.correction != "none" and tokens.old_N is not None:
        weight_N, cut_N = correction(loss, tokens)
        loss_N = weight_N * loss_N
        metrics |= {"correction_weight": weight_N, "correction_cut": cut_N.float()}
    if loss.kl_coef > 0 and tokens.reference_N is not None:
        kl_N = ESTIMATORS[loss.kl_estimator](tokens.logprobs_N, tokens.reference_N)
        loss_N = loss_N + loss.kl_coef * _by_turn(loss, tokens) * kl_N
        metrics["kl_reference"] = kl_N.detach()
    if loss.entropy_coef > 0 and tokens.entropy_N is not None:
        loss_N = loss_N - loss.entropy_coef * tokens.entropy_N
    return Terms(loss_N, metrics)


def _by_turn(loss: Loss, tokens: TokenRows) -> Tensor | float:
    """How strong the pull is at each token: SCoRe's first stage holds the first turn and lets the second move."""
    if loss.kl_first_turn == 1.0 or tokens.turn_N is None:
        return 1.0
    return torch.where(tokens.turn_N == 0, loss.kl_first_turn, 1.0)


def correction(loss: Loss, tokens: TokenRows) -> tuple[Tensor, Tensor]:
    """The weight of each token [N] and whether the cap cut it (boolean)."""
    assert tokens.old_N is not None
    log_N = (tokens.old_N - tokens.sampler_N).detach()
    if loss.correction_level == "sequence":
        log_N = tokens.row_sum(log_N)[tokens.row_N]
    weight_N = log_N.clamp(max=LARGEST_LOG_RATIO).exp()
    cut_N = weight_N > loss.correction_cap
    if loss.correction == "mask":
        return torch.where(cut_N, torch.zeros_like(weight_N), weight_N), cut_N
    return weight_N.clamp(max=loss.correction_cap), cut_N
