"""Behaviour cloning: the negative log-likelihood of each demonstrated token, L_t = -log pi(y_t | s_t)."""

from __future__ import annotations

from typing import ClassVar, Literal

from ponder.losses.kl import pulled
from ponder.losses.loss import Loss, Terms, TokenRows


class Cloning(Loss):
    """Imitate every trained token with weight one; nothing is compared with a sampler."""

    kind: Literal["cloning"] = "cloning"
    source: ClassVar[str] = "maximum likelihood (supervised fine-tuning)"
    fields: ClassVar[tuple[str, ...]] = ()
    on_policy: ClassVar[bool] = False

    def __call__(self, tokens: TokenRows) -> Terms:
        return pulled(Terms(-tokens.logprobs_N), tokens, self.kl_coef)
