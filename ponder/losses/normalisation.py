"""How token losses become one number. Each row gets one weight; the loss is the sum of weight * mask * term.

    token     1 / all trained tokens                     every token counts the same (DAPO)
    sequence  1 / (rows * trained tokens of this row)    every response counts the same (GRPO; favours short right ones)
    constant  1 / (rows * constant)                      sums over a fixed length, no length bias (Dr. GRPO)

Rows of dead groups have no gradient and are left out of an update. Under `count="live"` the mean is over the rows that
are left, so the step does not shrink as groups die; under "all" the rows left out are counted too (the papers' formula:
fewer mixed groups, smaller steps).

The weights are fixed for the whole step before it is cut into micro-batches, so the cut cannot change the gradient.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import fsum
from typing import Literal

from ponder.types import Sample

Normalisation = Literal["token", "sequence", "constant"]
Rows = Literal["live", "all"]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Rows without a gradient that an update leaves out, and their trained tokens; fractions after a split."""

    rows: float = 0.0
    tokens: float = 0.0

    def part(self, parts: int) -> LeftOut:
        """The share of one of `parts` optimizer steps."""
        return LeftOut(self.rows / parts, self.tokens / parts)


def row_weights(
    samples: Sequence[Sample], how: Normalisation, constant: int, left_out: LeftOut | None = None
) -> list[float]:
    """One weight for each sample. A sample without a trained token weighs nothing under "token" and "sequence".

    `left_out` rows count in the mean (None: live rows alone).
    """
    out = left_out or LeftOut()
    tokens_B = [fsum(sample.mask_T) for sample in samples]
    rows = len(samples) + out.rows
    if how == "constant":
        return [1.0 / (rows * constant)] * len(samples)
    if how == "sequence":
        return [1.0 / (rows * tokens) if tokens else 0.0 for tokens in tokens_B]
    total = fsum(tokens_B) + out.tokens
    return [1.0 / total if total else 0.0] * len(samples)
