"""The settings of what learns; the defaults are the vetted ones. Policy, critic and verifiers share the optimizer's."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from ponder.config import Strict
from ponder.learning.packed.precision import Precision
from ponder.learning.schedule import Schedule

Positive = Annotated[int, Field(ge=1)]
Above = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
BackendName = Literal["auto", "packed", "module", "flex"]


class OptimizerSettings(Strict):
    """AdamW on float32 masters, whatever type the model computes in.

    `schedule` "linear" and "cosine" fall from `learning_rate` to `final_rate` times it at the last step of the run (or
    at `total_steps`, if that is given); the rate rises over the first `warmup_steps`. A step is cut into micro-batches
    of at most `micro_tokens` tokens, which changes no gradient. `max_skips` steps in a row that were skipped as not
    finite are an error.
    """

    learning_rate: Above = 3e-4
    schedule: Schedule = "constant"
    warmup_steps: Annotated[int, Field(ge=0)] = 5
    final_rate: Share = 0.0
    total_steps: Annotated[int, Field(ge=0)] = 0
    betas: tuple[Share, Share] = (0.9, 0.95)
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    max_grad_norm: Above = 1.0
    micro_tokens: Positive = 8192
    max_skips: Positive = 5

    @model_validator(mode="after")
    def _schedule_longer_than_warmup(self) -> OptimizerSettings:
        if self.total_steps and self.schedule != "constant" and self.total_steps <= self.warmup_steps:
            raise ValueError(
                f"total_steps={self.total_steps}: a {self.schedule} schedule needs more than "
                f"warmup_steps={self.warmup_steps}"
            )
        return self


class TrainerSettings(OptimizerSettings):
    """How the policy learns.

    `minibatches` cuts an update into that many optimizer steps, and `epochs` goes over its samples that many times.
    `from_start` begins each update from the weights of the start (STaR, ReST-EM: only the data comes from the newest
    policy). Micro-batches of 8192 tokens are measured fastest on
    two CPU cores; their predicted peak of memory beyond the weights stays within `memory_gb` (0: no limit). `precision`
    says in which numbers the layers' products run (see `learning/packed/precision`). `lora_rank` above 0 trains
    adapters of that rank alone. `gradient_checkpointing` computes a layer twice and keeps only its input. `backend`
    computes the log-probabilities (see `learning/backends`).
    """

    minibatches: Positive = 1
    epochs: Positive = 1
    from_start: bool = False
    memory_gb: Annotated[float, Field(ge=0)] = 0.0
    precision: Precision = "model"
    lora_rank: Annotated[int, Field(ge=0)] = 0
    lora_alpha: Positive = 16
    gradient_checkpointing: bool = False
    backend: BackendName = "auto"

    @property
    def memory_bytes(self) -> int | None:
        """The limit in bytes; None: there is none."""
        return int(self.memory_gb * 1e9) or None


class JudgeTraining(OptimizerSettings):
    """How a verifier or critic learns: faster than a policy, for it is a regression on labels; it never stops."""

    learning_rate: Above = 5e-4
    warmup_steps: Annotated[int, Field(ge=0)] = 10
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    micro_tokens: Positive = 4096
