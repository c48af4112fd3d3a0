"""What a backend is: it lays rows out as tokens and computes log-probabilities of the trained ones, with gradient.

All backends give the same numbers (tests hold them to one another and to the library's own forward); they differ in
what they share and keep. A new one is a file here and a line in `backends/__init__`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor
from transformers import PreTrainedModel

from ponder.learning.packed.layout import Group, Ints


class Backend(Protocol):
    """`shares`: rows with the same prompt are computed together, the prompt once."""

    @property
    def name(self) -> str: ...

    @property
    def shares(self) -> bool: ...

    @property
    def dtype(self) -> torch.dtype:
        """In which numbers the products of the layers run."""
        ...

    def lay_out(self, groups: Sequence[Group], device: torch.device) -> tuple[Any, list[Ints]]:
        """Tokens as this backend wants them, and for each row where its response tokens are predicted."""
        ...

    def logprobs(
        self,
        model: PreTrainedModel,
        tokens: Any,
        positions_N: Tensor,
        targets_N: Tensor,
        temperature: float,
        entropy_gradient: bool = False,
    ) -> tuple[Tensor, Tensor]:
        """Log-probability [N] of the targets, with gradient, and entropy [N] in nats, with gradient if that is asked.

        Both are of softmax(logits / temperature). Positions that nothing asks about need no logits.
        """
        ...


def of_logits(
    logits_NV: Tensor, targets_N: Tensor, temperature: float, entropy_gradient: bool = False
) -> tuple[Tensor, Tensor]:
    """Log-probabilities and entropies from logits, in float32."""
    logprobs_NV = torch.log_softmax(logits_NV.float() / temperature, dim=-1)
    with torch.set_grad_enabled(entropy_gradient and torch.is_grad_enabled()):
        entropy_N = -(logprobs_NV.exp() * logprobs_NV).sum(-1)
    return logprobs_NV.gather(1, targets_N[:, None])[:, 0], entropy_N
