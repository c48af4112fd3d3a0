"""Weighted log-likelihood: L_t = -A_t log pi(y_t | s_t). With A = 1 it is behaviour cloning.

Nothing is compared with a sampler and nothing clipped, so rows may come from anybody: demonstrations (all A are 1), or
the policy's own right answers (algorithm `rejection`: rejection-sampling fine-tuning). With advantages of an algorithm
that compares, it is plain REINFORCE, right only for tokens that the present weights drew.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from ponder.losses.kl import pulled
from ponder.losses.loss import Loss, Terms, TokenRows
from ponder.losses.normalisation import Normalisation


class Cloning(Loss):
    """Make every trained token likelier, as much as its advantage says (1 in demonstrations)."""

    kind: Literal["cloning"] = "cloning"
    normalisation: Normalisation = "token"
    source: ClassVar[str] = "maximum likelihood (supervised fine-tuning)"
    fields: ClassVar[tuple[str, ...]] = ()
    on_policy: ClassVar[bool] = False

    def __call__(self, tokens: TokenRows) -> Terms:
        return pulled(Terms(-tokens.logprobs_N * tokens.advantages_N), tokens, self.kl_coef)
