"""What a loss is given and what it returns.

N counts the trained tokens of a micro-batch, its rows flattened one after the other; B counts those rows. Rows are
never cut, so a loss may compare all tokens of a row (a sequence-level ratio).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from ponder.losses.normalisation import Normalisation, Rows
from ponder.plugins import Plugin
from ponder.types import PonderError, Sample

# exp(20) is far beyond any clip and still finite in float32, so one absurd ratio cannot turn a sum into infinity.
LARGEST_LOG_RATIO = 20.0
# Field of a sample that a loss may need -> what it is, for errors.
FIELDS: Mapping[str, str] = {
    "logprobs_T": "the sampler's log-probabilities",
    "returns_T": "returns (an algorithm with a critic gives them)",
    "values_T": "a critic's values (an algorithm with a critic gives them)",
    "teacher_logprobs_T": "a teacher's log-probabilities",
}


@dataclass(frozen=True)
class TokenRows:
    """The trained tokens of some rows, all [N]: `row_N` is the row (0 to B-1) to which a token belongs.

    `logprobs_N` are the learner's, with gradient; `entropy_N` is the learner's entropy in nats, without. `sampler_N`
    are the log-probabilities of the sampler. The others are None where the samples do not carry them.
    """

    logprobs_N: Tensor
    sampler_N: Tensor
    advantages_N: Tensor
    row_N: Tensor
    rows: int
    reference_N: Tensor | None = None
    entropy_N: Tensor | None = None
    returns_N: Tensor | None = None
    values_N: Tensor | None = None
    teacher_N: Tensor | None = None

    @property
    def log_ratio_N(self) -> Tensor:
        """Log pi - log mu of each token, from above bounded so that its power stays finite."""
        return (self.logprobs_N - self.sampler_N).clamp(max=LARGEST_LOG_RATIO)

    def row_mean(self, values_N: Tensor) -> Tensor:
        """The mean over the trained tokens of each row, [B]; the gradient flows through it."""
        sums_B = values_N.new_zeros(self.rows).index_add(0, self.row_N, values_N)
        counts_B = values_N.new_zeros(self.rows).index_add(0, self.row_N, torch.ones_like(values_N))
        return sums_B / counts_B.clamp(min=1)


@dataclass(frozen=True)
class Terms:
    """The loss of each token [N], and numbers of each token [N] whose means go into the log by their names."""

    loss_N: Tensor
    metrics: Mapping[str, Tensor] = field(default_factory=dict)


class Loss(Plugin):
    """A loss over rows of tokens. `kl_coef` above 0 keeps a frozen copy of the start as reference and pulls to it.

    `normalisation` says how token losses become one number (`losses.normalisation`), `constant_length` the divisor
    under "constant" (0: the longest response of the run), and `count` which rows the mean is taken over. `fields` are
    the parts of a sample that it reads besides the tokens. `on_policy` losses compare with the sampler at its
    temperature; others read plain text.
    """

    normalisation: Normalisation = "constant"
    constant_length: Annotated[int, Field(ge=0)] = 0
    count: Rows = "live"
    kl_coef: Annotated[float, Field(ge=0)] = 0.0
    fields: ClassVar[tuple[str, ...]] = ("logprobs_T",)
    on_policy: ClassVar[bool] = True

    def __call__(self, tokens: TokenRows) -> Terms:
        raise NotImplementedError(f"{type(self).__name__} is no loss: it has no __call__")


def check(samples: Sequence[Sample], loss: Loss) -> None:
    """Rows that cannot be trained on with this loss are a mistake of the caller, not bad luck. PonderError."""
    for sample in samples:
        length = len(sample.response)
        if not length:
            raise PonderError(f"sample {sample.id}: the response is empty, so there is nothing to learn")
        if not sample.prompt:
            raise PonderError(f"sample {sample.id}: the prompt is empty, so nothing predicts the first token")
        for name in ("advantages_T", "mask_T", *loss.fields):
            values = getattr(sample, name)
            if name in FIELDS and not values:
                raise PonderError(
                    f"sample {sample.id} has no {name}; the loss {loss.kind} needs {FIELDS[name]} for each token"
                )
            if len(values) != length:
                raise PonderError(f"sample {sample.id}: {len(values)} {name} for {length} response tokens")
