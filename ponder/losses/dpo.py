"""DPO (Rafailov et al., arXiv 2305.18290, equation 7) on pairs of a better row w and a worse row l.

    L = -log sigma(beta m),   m = (log pi(w) - log ref(w)) - (log pi(l) - log ref(l))

The sums run over the tokens whose advantage is not 0, which an algorithm sets to +1 in the better row and -1 in the
worse one: all tokens of two answers (`preference`), or those up to the first wrong step (`step_preference`, step-level
DPO).

The gradient is linear in the two rows once the margin m is known: -beta sigma(-beta m) (grad log pi(w) - grad log
pi(l)). So the margins are computed before the step (one forward pass of policy and of reference over its rows), and
each row then carries its part of the gradient alone: pairs may fall into different micro-batches. With sums and not
means a row counts by its length, as in the paper; the mean is taken over rows.

At pi = ref the margin is 0 and the loss log 2; swapping the pair negates the margin. `label_smoothing` e mixes in the
swapped pair: conservative DPO, (1 - e) L(m) + e L(-m).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field

from ponder.losses.additions import completed
from ponder.losses.loss import Loss, Models, Terms, TokenRows
from ponder.losses.normalisation import Normalisation
from ponder.types import PonderError, Sample


class DPO(Loss):
    """Better rows of pairs likelier than worse ones, measured against the policy of the start."""

    kind: Literal["dpo"] = "dpo"
    normalisation: Normalisation = "constant"
    constant_length: Annotated[int, Field(ge=0)] = 1
    beta: Annotated[float, Field(gt=0)] = 0.1
    label_smoothing: Annotated[float, Field(ge=0, lt=0.5)] = 0.0
    source: ClassVar[str] = "DPO (arXiv 2305.18290, equation 7); step-level pairs (arXiv 2406.14532)"
    needs: ClassVar[tuple[str, ...]] = ("reference", "pairs")
    fields: ClassVar[tuple[str, ...]] = ()
    on_policy: ClassVar[bool] = False
    pairs: ClassVar[bool] = True
    algorithm: ClassVar[str] = "preference"

    def marks(self, samples: Sequence[Sample], models: Models) -> list[tuple[float, ...]]:
        """The margin m of its pair on every token of a row; PonderError for a row that is alone."""
        own, reference = models.now(), models.reference()
        sums = [
            math.fsum(
                a * (p - r) for a, p, r, m in zip(sample.advantages_T, now, then, sample.mask_T, strict=True) if m and a
            )
            for sample, now, then in zip(samples, own, reference, strict=True)
        ]
        margins: dict[str, list[float]] = {}
        for sample, part in zip(samples, sums, strict=True):
            margins.setdefault(sample.pair, []).append(part)
        for name, parts in margins.items():
            if not name or len(parts) != 2:
                raise PonderError(
                    f"loss dpo: pair {name!r} has {len(parts)} rows; it learns from pairs of a better and a worse row, "
                    "which algorithm.kind=preference and step_preference make"
                )
        return [(math.fsum(margins[sample.pair]),) * len(sample.response) for sample in samples]

    def __call__(self, tokens: TokenRows) -> Terms:
        assert tokens.marks_N is not None
        margin_N, e = self.beta * tokens.marks_N, self.label_smoothing
        slope_N = (1 - e) * torch.sigmoid(-margin_N) - e * torch.sigmoid(margin_N)
        # Advantages of +1 and -1 give the rows their signs.
        loss_N = -self.beta * slope_N * tokens.advantages_N * tokens.logprobs_N
        value_N = -(1 - e) * torch.nn.functional.logsigmoid(margin_N) - e * torch.nn.functional.logsigmoid(-margin_N)
        metrics = {"preference_loss": value_N, "preference_accuracy": (margin_N > 0).float(), "margin": margin_N}
        return completed(self, Terms(loss_N, metrics), tokens)
