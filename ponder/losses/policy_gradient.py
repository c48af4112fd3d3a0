"""The clipped policy gradient with an optional pull to the start.

    L_t = -min(rho_t A_t, clip(rho_t, 1 - clip_low, 1 + clip_high) A_t) + kl_coefficient k3_t
    rho_t = pi(y_t | s_t) / mu(y_t | s_t),  mu the policy that sampled  (PPO, arXiv 1707.06347, equation 7)
    k3_t = exp(-d) - 1 + d,  d = log pi(y_t | s_t) - log pi_start(y_t | s_t)   (GRPO, arXiv 2402.03300, equation 4)

Unequal clips (clip_high > clip_low) let rare tokens grow: DAPO (arXiv 2503.14476, section 3.1). At rho = 1 the gradient
is that of REINFORCE. The expectation of k3 under pi is KL(pi || start); its gradient there is that of KL(start || pi).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ponder.losses.terms import Terms, Tokens

# exp(20) is far beyond any clip and still finite in float32, so one absurd ratio cannot turn a sum into infinity.
_LARGEST_LOG_RATIO = 20.0


@dataclass(frozen=True)
class PolicyGradient:
    """Clip widths around a ratio of one, and the weight of the pull to the reference."""

    clip_low: float = 0.2
    clip_high: float = 0.28
    kl_coefficient: float = 0.0

    def __call__(self, tokens: Tokens) -> Terms:
        advantages_N = tokens.advantages_N
        ratio_N = (tokens.logprobs_N - tokens.sampler_N).clamp(max=_LARGEST_LOG_RATIO).exp()
        # The minimum is the clipped side exactly where a step has already gone as far as it may, and constant there.
        above_N = (advantages_N > 0) & (ratio_N > 1 + self.clip_high)
        below_N = (advantages_N < 0) & (ratio_N < 1 - self.clip_low)
        held_N = ratio_N.detach().clamp(1 - self.clip_low, 1 + self.clip_high)
        loss_N = -torch.where(above_N | below_N, held_N, ratio_N) * advantages_N
        if tokens.reference_N is not None and self.kl_coefficient > 0:
            loss_N = loss_N + self.kl_coefficient * k3(tokens.logprobs_N, tokens.reference_N)
        return Terms(loss_N, above_N | below_N)


def k3(logprobs_N: Tensor, reference_N: Tensor) -> Tensor:
    """Per-token estimate of KL(pi || reference) from samples of pi: never negative and unbiased."""
    difference_N = (reference_N - logprobs_N).clamp(max=_LARGEST_LOG_RATIO)
    return difference_N.exp() - 1 - difference_N
