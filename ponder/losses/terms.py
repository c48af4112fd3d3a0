"""What a loss is given and what it returns. N counts the trained tokens of a micro-batch, rows flattened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor


@dataclass(frozen=True)
class Tokens:
    """Log-probabilities [N] under the learner (with gradient), the sampler and the reference, and advantages [N]."""

    logprobs_N: Tensor
    sampler_N: Tensor
    advantages_N: Tensor
    reference_N: Tensor | None = None


@dataclass(frozen=True)
class Terms:
    """The loss of each token [N] and, for reports, whether the clip removed its gradient [N]."""

    loss_N: Tensor
    clipped_N: Tensor


class Loss(Protocol):
    """A loss of single tokens; how they are summed is decided elsewhere."""

    def __call__(self, tokens: Tokens) -> Terms: ...
