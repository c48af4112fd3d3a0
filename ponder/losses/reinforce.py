"""Plain REINFORCE (Williams 1992): L_t = -A_t log pi(y_t | s_t).

No ratio and no clip: right for tokens that the present weights drew, so it wants one step an update
(`trainer.minibatches=1`, `trainer.epochs=1`). At the first step every clipped loss has this gradient. Where the
engine's numbers differ from the learner's, or more steps are made, `correction=truncate` weighs tokens by pi_old / mu,
which makes it REINFORCE with truncated importance sampling.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from ponder.losses.additions import completed
from ponder.losses.loss import Loss, Terms, TokenRows


class Reinforce(Loss):
    """The policy gradient without ratio and clip."""

    kind: Literal["reinforce"] = "reinforce"
    source: ClassVar[str] = "REINFORCE (Williams 1992); arXiv 2402.14740, section 3.1"

    def __call__(self, tokens: TokenRows) -> Terms:
        return completed(self, Terms(-tokens.logprobs_N * tokens.advantages_N), tokens)
