"""Estimates of KL(pi || reference) at each token, from d = log pi - log reference (Schulman, "Approximating KL").

    k1  d                    unbiased, of either sign; as a loss on samples of pi its expected gradient is 0
    k2  d^2 / 2              biased; as a loss its gradient is that of KL(pi || reference)
    k3  exp(-d) - 1 + d      unbiased, never negative; as a loss its gradient is that of KL(reference || pi)

So what is added to a loss should be k2 or k3, and what is taken off a reward k1 (`rewards/kl.py`): the policy gradient
of the reward -k1 is that of -KL(pi || reference). k1 as a loss pulls nowhere on average; it is here to be compared.
"""

from __future__ import annotations

from torch import Tensor

from ponder.losses.loss import LARGEST_LOG_RATIO


def k1(logprobs_N: Tensor, reference_N: Tensor) -> Tensor:
    """The difference d itself."""
    return logprobs_N - reference_N


def k2(logprobs_N: Tensor, reference_N: Tensor) -> Tensor:
    """d^2 / 2."""
    return (logprobs_N - reference_N).square() / 2


def k3(logprobs_N: Tensor, reference_N: Tensor) -> Tensor:
    """exp(-d) - 1 + d (GRPO, arXiv 2402.03300, equation 4)."""
    difference_N = (reference_N - logprobs_N).clamp(max=LARGEST_LOG_RATIO)
    return difference_N.exp() - 1 - difference_N


ESTIMATORS = {"k1": k1, "k2": k2, "k3": k3}
