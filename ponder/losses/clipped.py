"""The clipped policy gradient (PPO, arXiv 1707.06347, equation 7).

    L_t = -min(rho_t A_t, clip(rho_t, 1 - clip_low, 1 + clip_high) A_t),   rho_t = pi(y_t | s_t) / mu(y_t | s_t)

mu is the policy that sampled. Unequal clips (clip_high > clip_low) let rare tokens grow: DAPO (arXiv 2503.14476,
section 3.1). At rho = 1 the gradient is that of REINFORCE.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from ponder.losses.kl import pulled
from ponder.losses.loss import Loss, Terms, TokenRows


class Clipped(Loss):
    """Token-level ratio between learner and sampler, held within 1 - clip_low and 1 + clip_high."""

    kind: Literal["clipped"] = "clipped"
    clip_low: Annotated[float, Field(ge=0, le=1)] = 0.2
    clip_high: Annotated[float, Field(ge=0)] = 0.28
    source: ClassVar[str] = "PPO (arXiv 1707.06347, equation 7); DAPO (arXiv 2503.14476, section 3.1)"

    def __call__(self, tokens: TokenRows) -> Terms:
        loss_N, clipped_N = held(tokens.log_ratio_N.exp(), tokens.advantages_N, self.clip_low, self.clip_high)
        return pulled(Terms(loss_N, {"clip_fraction": clipped_N.float()}), tokens, self.kl_coef)


def held(ratio_N: Tensor, advantages_N: Tensor, low: float, high: float) -> tuple[Tensor, Tensor]:
    """The clipped loss of each token, and where the clip removed the gradient (boolean)."""
    # The minimum is the clipped side exactly where a step has already gone as far as it may, and constant there.
    above_N = (advantages_N > 0) & (ratio_N > 1 + high)
    below_N = (advantages_N < 0) & (ratio_N < 1 - low)
    held_N = ratio_N.detach().clamp(1 - low, 1 + high)
    return -torch.where(above_N | below_N, held_N, ratio_N) * advantages_N, above_N | below_N
