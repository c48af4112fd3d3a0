"""GSPO (arXiv 2507.18071, equations 5 and 7): the ratio of whole sequences, clipped as a whole.

    s_i = (pi(y_i | x) / mu(y_i | x))^(1 / |y_i|) = exp(mean_t (log pi_t - log mu_t))
    L_i = -min(s_i A_i, clip(s_i, 1 - clip_low, 1 + clip_high) A_i)

The mean runs over the trained tokens of the answer. Written on every token of the answer, so that normalisation
"sequence" (each answer counts once) is the paper's. Token-level advantages are taken as they stand (the paper's
GSPO-token form has the same gradient when they are equal). Clips are far smaller than a token's, for a mean over tokens
moves little. Degenerate: answers of one token give the token-level clipped loss.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ponder.losses.additions import completed
from ponder.losses.clipped import held
from ponder.losses.loss import LARGEST_LOG_RATIO, Loss, Terms, TokenRows
from ponder.losses.normalisation import Normalisation


class GSPO(Loss):
    """Sequence-level ratio, clipped for the answer as a whole."""

    kind: Literal["gspo"] = "gspo"
    normalisation: Normalisation = "sequence"
    clip_low: Annotated[float, Field(ge=0, le=1)] = 3e-4
    clip_high: Annotated[float, Field(ge=0)] = 4e-4
    source: ClassVar[str] = "GSPO (arXiv 2507.18071, equations 5 and 7)"
    compares: ClassVar[bool] = True

    def __call__(self, tokens: TokenRows) -> Terms:
        before_N = tokens.sampler_N if tokens.old_N is None else tokens.old_N
        mean_B = tokens.row_mean(tokens.logprobs_N - before_N).clamp(max=LARGEST_LOG_RATIO)
        ratio_N = mean_B.exp()[tokens.row_N]
        loss_N, clipped_N = held(ratio_N, tokens.advantages_N, self.clip_low, self.clip_high)
        metrics = {"clip_fraction": clipped_N.float(), "sequence_ratio": ratio_N.detach()}
        return completed(self, Terms(loss_N, metrics), tokens)
