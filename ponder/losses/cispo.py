"""CISPO (MiniMax-M1, arXiv 2506.13585, section 3.1): the ratio is a weight that is capped, and no token is dropped.

    L_t = -sg(min(rho_t, cap)) A_t log pi(y_t | s_t),   rho_t = pi(y_t | s_t) / mu(y_t | s_t)

A clipped loss removes the gradient of a token that moved too far; here it keeps the gradient and only its weight stops
to grow. `cap` is the largest weight itself, not a distance from 1: the paper writes it as 1 + epsilon_high, TRL and
ScaleRL (arXiv 2510.13786) give the number itself (5). A cap below 1, which a clip range of 0.2 taken over by mistake
would be, would shrink every token and is refused. There is no bound below (the paper sets none in its experiments).
At rho = 1 the gradient is that of REINFORCE.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ponder.losses.additions import completed
from ponder.losses.loss import Loss, Terms, TokenRows


class CISPO(Loss):
    """REINFORCE weighted by the ratio to the sampler, which is capped and has no gradient."""

    kind: Literal["cispo"] = "cispo"
    cap: Annotated[float, Field(ge=1, allow_inf_nan=False)] = 5.0
    source: ClassVar[str] = "CISPO (MiniMax-M1, arXiv 2506.13585, section 3.1); ScaleRL (arXiv 2510.13786)"
    compares: ClassVar[bool] = True

    def __call__(self, tokens: TokenRows) -> Terms:
        ratio_N = tokens.log_ratio_N.detach().exp()
        loss_N = -ratio_N.clamp(max=self.cap) * tokens.advantages_N * tokens.logprobs_N
        return completed(self, Terms(loss_N, {"clip_fraction": (ratio_N > self.cap).float()}), tokens)
