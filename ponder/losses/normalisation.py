"""How token losses become one number. Each row gets one weight; the loss is the sum of weight * mask * term.

    token     1 / all trained tokens                     every token counts the same (DAPO)
    sequence  1 / (rows * trained tokens of this row)    every response counts the same (GRPO; favours short right ones)
    constant  1 / (rows * constant)                      sums over a fixed length, no length bias (Dr. GRPO)

The weights are fixed for the whole step before it is cut into micro-batches, so the cut cannot change the gradient.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import fsum
from typing import Literal

from ponder.types import Sample

Normalisation = Literal["token", "sequence", "constant"]


def row_weights(samples: Sequence[Sample], how: Normalisation, constant: int) -> list[float]:
    """One weight for each sample. A sample without a trained token weighs nothing under "token" and "sequence"."""
    tokens_B = [fsum(sample.mask_T) for sample in samples]
    rows = len(samples)
    if how == "constant":
        return [1.0 / (rows * constant)] * rows
    if how == "sequence":
        return [1.0 / (rows * tokens) if tokens else 0.0 for tokens in tokens_B]
    total = fsum(tokens_B)
    return [1.0 / total if total else 0.0] * rows
