"""Weighted log-likelihood: L_t = -A_t log pi(y_t | s_t). With A = 1 it is behaviour cloning.

Nothing is compared with a sampler and nothing clipped, so rows may come from anybody: demonstrations (all A are 1), or
the policy's own right answers (algorithm `rejection`: rejection-sampling fine-tuning). Text is read at temperature 1.
For advantages of an algorithm that compares there is `reinforce`, which reads at the sampler's temperature.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from ponder.losses.additions import completed
from ponder.losses.loss import Loss, Terms, TokenRows
from ponder.losses.normalisation import Normalisation


class Cloning(Loss):
    """Make every trained token likelier, as much as its advantage says (1 in demonstrations)."""

    kind: Literal["cloning"] = "cloning"
    normalisation: Normalisation = "token"
    source: ClassVar[str] = "maximum likelihood (supervised fine-tuning)"
    fields: ClassVar[tuple[str, ...]] = ()
    on_policy: ClassVar[bool] = False
    algorithm: ClassVar[str] = "rejection"

    def __call__(self, tokens: TokenRows) -> Terms:
        return completed(self, Terms(-tokens.logprobs_N * tokens.advantages_N), tokens)
