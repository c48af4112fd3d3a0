"""GRPO (DeepSeekMath, arXiv 2402.03300, section 4.1.2): A_i = (r_i - mean(r)) / (std(r) + epsilon).

The paper does not say which deviation; `deviation="sample"` divides the squares by G-1 (so sum A^2 = G-1), "population"
by G (sum A^2 = G). A positive affine change of the rewards leaves A as it is. Degenerate: equal rewards or a single
answer give zeros.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import fsum, sqrt
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ponder.algorithms.algorithm import Algorithm, Batch, Credits, each_group
from ponder.algorithms.group_relative import relative


class GRPO(Algorithm):
    """Reward less the group's mean, in units of the group's deviation."""

    kind: Literal["grpo"] = "grpo"
    deviation: Literal["sample", "population"] = "sample"
    epsilon: Annotated[float, Field(ge=0)] = 1e-6
    source: ClassVar[str] = "DeepSeekMath (arXiv 2402.03300, section 4.1.2)"

    def credit(self, batch: Batch) -> Credits:
        return Credits(each_group(batch, [relative(group, self._scale) for group in batch.groups_P]))

    def _scale(self, centred: Sequence[float]) -> float:
        count = len(centred) - 1 if self.deviation == "sample" else len(centred)
        spread = sqrt(fsum(d * d for d in centred) / count) if count > 0 else 0.0
        return 1.0 / (spread + self.epsilon) if spread + self.epsilon else 0.0
