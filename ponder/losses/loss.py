"""What a loss is given and what it returns.

N counts the trained tokens of a micro-batch, its rows flattened one after the other; B counts those rows. Rows are
never cut, so a loss may compare all tokens of a row (a sequence-level ratio).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal, Protocol

import torch
from pydantic import Field, model_validator
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

    `logprobs_N` are the learner's, with gradient; `entropy_N` is the learner's entropy in nats, with gradient where the
    loss has an entropy bonus. `sampler_N` are the log-probabilities of the sampler, `old_N` those of the learner as it
    was before the update (only with a correction). `marks_N` are what `Loss.marks` said of each token before the step,
    `turn_N` the turn of each token, from 0.
    The others are None where the samples do not carry them.
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
    old_N: Tensor | None = None
    marks_N: Tensor | None = None
    turn_N: Tensor | None = None

    @property
    def log_ratio_N(self) -> Tensor:
        """Log pi - log mu of each token, from above bounded so that its power stays finite.

        With a correction between sampler and learner it is log pi - log pi_old: the rest is in the correction's weight.
        """
        before_N = self.sampler_N if self.old_N is None else self.old_N
        return (self.logprobs_N - before_N).clamp(max=LARGEST_LOG_RATIO)

    def row_sum(self, values_N: Tensor) -> Tensor:
        """The sum over the trained tokens of each row, [B]; the gradient flows through it."""
        return values_N.new_zeros(self.rows).index_add(0, self.row_N, values_N)

    def row_mean(self, values_N: Tensor) -> Tensor:
        """The mean over the trained tokens of each row, [B]; the gradient flows through it."""
        return self.row_sum(values_N) / self.row_sum(torch.ones_like(values_N)).clamp(min=1)


@dataclass(frozen=True)
class Terms:
    """The loss of each token [N], and numbers of each token [N] whose means go into the log by their names."""

    loss_N: Tensor
    metrics: Mapping[str, Tensor] = field(default_factory=dict)


class Models(Protocol):
    """What a loss may ask before a step: log-probabilities of the response tokens of each of its rows (forced: 0)."""

    def now(self) -> list[tuple[float, ...]]:
        """Under the present weights."""
        ...

    def reference(self) -> list[tuple[float, ...]]:
        """Under the policy as it was at the start; the loss declares the need "reference"."""
        ...


class Loss(Plugin):
    """A loss over rows of tokens. `kl_coef` above 0 keeps a frozen copy of the start as reference and pulls to it.

    `normalisation` says how token losses become one number (`losses.normalisation`), `constant_length` the divisor
    under "constant" (0: the longest response of the run), and `count` which rows the mean is taken over. What any loss
    may have added stands in `losses.additions`: the pull (`kl_coef`, `kl_estimator`; on the first turn of an
    environment `kl_first_turn` times as strong), an entropy bonus (`entropy_coef`), and the correction of the
    difference between the engine that sampled and the learner.

    `fields` are the parts of a sample that it reads besides the tokens. `on_policy` losses compare with the sampler at
    its temperature; others read plain text. `pairs`: rows belong together in twos by `Sample.pair`, and stay together
    when an update is cut into steps. `compares`: a ratio tells how far a row is from the present policy, so rows that
    older weights drew may be used. `algorithm` is the credit rule that the loss is meant for.
    """

    normalisation: Normalisation = "constant"
    constant_length: Annotated[int, Field(ge=0)] = 0
    count: Rows = "live"
    kl_coef: Annotated[float, Field(ge=0)] = 0.0
    kl_estimator: Literal["k1", "k2", "k3"] = "k3"
    kl_first_turn: Annotated[float, Field(ge=0)] = 1.0
    entropy_coef: Annotated[float, Field(ge=0)] = 0.0
    correction: Literal["none", "truncate", "mask"] = "none"
    correction_level: Literal["token", "sequence"] = "token"
    correction_cap: Annotated[float, Field(gt=0)] = 2.0
    fields: ClassVar[tuple[str, ...]] = ("logprobs_T",)
    on_policy: ClassVar[bool] = True
    pairs: ClassVar[bool] = False
    compares: ClassVar[bool] = False
    algorithm: ClassVar[str] = "dr_grpo"

    @model_validator(mode="after")
    def _correction_has_a_sampler(self) -> Loss:
        if self.correction != "none" and "logprobs_T" not in self.fields:
            raise ValueError(
                f"correction={self.correction}: the loss {self.kind} does not read the sampler's log-probabilities, so "
                "there is nothing to correct; leave it at none, or choose a loss that compares with the sampler"
            )
        return self

    @property
    def keeps_reference(self) -> bool:
        """Whether the policy of the start is kept for this loss."""
        return self.kl_coef > 0 or "reference" in self.needs

    def marks(self, samples: Sequence[Sample], models: Models) -> list[tuple[float, ...]] | None:
        """A number for each response token of each row of a step, seen later as `TokenRows.marks_N`; None: no need.

        For what depends on all rows of a step: a loss itself sees only those of its micro-batch.
        """
        return None

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
