"""The pull to the start: an estimate of KL(pi || reference) for each token, added to a loss."""

from __future__ import annotations

from torch import Tensor

from ponder.losses.loss import LARGEST_LOG_RATIO, Terms, TokenRows


def k3(logprobs_N: Tensor, reference_N: Tensor) -> Tensor:
    """exp(-d) - 1 + d with d = log pi - log reference (GRPO, arXiv 2402.03300, equation 4; Schulman's k3).

    Never negative and unbiased for samples of pi; its gradient there is that of KL(reference || pi).
    """
    difference_N = (reference_N - logprobs_N).clamp(max=LARGEST_LOG_RATIO)
    return difference_N.exp() - 1 - difference_N


def pulled(terms: Terms, tokens: TokenRows, kl_coef: float) -> Terms:
    """`terms` with the pull added where there is a reference, and the estimate in the metrics."""
    if tokens.reference_N is None or kl_coef == 0:
        return terms
    kl_N = k3(tokens.logprobs_N, tokens.reference_N)
    return Terms(terms.loss_N + kl_coef * kl_N, {**terms.metrics, "kl_reference": kl_N.detach()})
