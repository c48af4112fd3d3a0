"""The clipped policy gradient (PPO, arXiv 1707.06347, equation 7).

    L_t = -min(rho_t A_t, clip(rho_t, 1 - clip_low, 1 + clip_high) A_t),   rho_t = pi(y_t | s_t) / mu(y_t | s_t)

mu is the policy that sampled. Unequal clips (clip_high > clip_low) let rare tokens grow: DAPO (arXiv 2503.14476,
section 3.1). At rho = 1 the gradient is that of REINFORCE.

Where A < 0 the loss has no bound above: a bad token that has become far likelier is pushed down without limit.
`dual_clip` c > 1 bounds it there by -c A (Ye et al., arXiv 1912.09729, equation 5; c = 3), 0 leaves it off.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor

from ponder.losses.additions import completed
from ponder.losses.loss import Loss, Terms, TokenRows


class Clipped(Loss):
    """Token-level ratio between learner and sampler, held within 1 - clip_low and 1 + clip_high."""

    kind: Literal["clipped"] = "clipped"
    clip_low: Annotated[float, Field(ge=0, le=1)] = 0.2
    clip_high: Annotated[float, Field(ge=0)] = 0.28
    dual_clip: Annotated[float, Field(ge=0)] = 0.0
    source: ClassVar[str] = (
        "PPO (arXiv 1707.06347, equation 7); DAPO (arXiv 2503.14476, section 3.1); dual clip (arXiv 1912.09729)"
    )
    compares: ClassVar[bool] = True

    @model_validator(mode="after")
    def _dual_clip_above_one(self) -> Clipped:
        if 0 < self.dual_clip <= 1:
            raise ValueError(f"dual_clip={self.dual_clip}: it must be above 1 (3 is usual), or 0 for none")
        return self

    def __call__(self, tokens: TokenRows) -> Terms:
        ratio_N, advantages_N = tokens.log_ratio_N.exp(), tokens.advantages_N
        loss_N, clipped_N = held(ratio_N, advantages_N, self.clip_low, self.clip_high)
        if self.dual_clip:
            beyond_N = (advantages_N < 0) & (ratio_N > self.dual_clip)
            loss_N = torch.where(beyond_N, -self.dual_clip * advantages_N, loss_N)
            clipped_N = clipped_N | beyond_N
        return completed(self, Terms(loss_N, {"clip_fraction": clipped_N.float()}), tokens)


def held(ratio_N: Tensor, advantages_N: Tensor, low: float, high: float) -> tuple[Tensor, Tensor]:
    """The clipped loss of each token, and where the clip removed the gradient (boolean)."""
    # The minimum is the clipped side exactly where a step has already gone as far as it may, and constant there.
    above_N = (advantages_N > 0) & (ratio_N > 1 + high)
    below_N = (advantages_N < 0) & (ratio_N < 1 - low)
    held_N = ratio_N.detach().clamp(1 - low, 1 + high)
    return -torch.where(above_N | below_N, held_N, ratio_N) * advantages_N, above_N | below_N
