"""The settings of the learner; the defaults are the vetted ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

from ponder.learning.packed.precision import Precision
from ponder.learning.schedule import SCHEDULES, Schedule
from ponder.losses.normalisation import Normalisation
from ponder.types import PonderError

_CHOICES: dict[str, tuple[str, ...]] = {
    "normalisation": get_args(Normalisation),
    "schedule": SCHEDULES,
    "precision": get_args(Precision),
}


@dataclass(frozen=True)
class LearnerConfig:
    """A step is cut into micro-batches of at most `micro_tokens` tokens (8192 are measured fastest on two CPU cores).

    `memory_bytes` limits the predicted peak beyond the weights (None: no limit); what does not fit is split. `schedule`
    "linear" and "cosine" fall from `learning_rate` to `final_rate` times it at step `total_steps`. `precision` says in
    which numbers the layers' products run (see `products`). `lora_rank` above 0 trains adapters of that rank alone.
    `temperature` is the one that the samples were drawn at. `constant_length` divides token sums under normalisation
    "constant" (cloning always counts tokens). `kl_coefficient` above 0 keeps a frozen copy of the start. `minibatches`
    cuts an update into that many optimizer steps. `max_skips` skipped steps in a row are an error.
    """

    learning_rate: float = 1e-4
    warmup_steps: int = 5
    schedule: Schedule = "constant"
    total_steps: int = 0
    final_rate: float = 0.0
    betas: tuple[float, float] = (0.9, 0.95)
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0
    clip_low: float = 0.2
    clip_high: float = 0.28
    kl_coefficient: float = 0.0
    normalisation: Normalisation = "token"
    constant_length: int = 256
    temperature: float = 1.0
    minibatches: int = 1
    micro_tokens: int = 8192
    memory_bytes: int | None = None
    precision: Precision = "model"
    lora_rank: int = 0
    lora_alpha: int = 16
    max_skips: int = 5
    seed: int = 0

    def __post_init__(self) -> None:
        positive = ("learning_rate", "max_grad_norm", "temperature", "constant_length", "minibatches", "micro_tokens")
        for name in (*positive, "max_skips", "lora_alpha"):
            if not getattr(self, name) > 0:
                raise PonderError(f"learner: {name}={getattr(self, name)}; it must be above 0")
        for name in ("warmup_steps", "weight_decay", "clip_high", "kl_coefficient", "lora_rank"):
            if not getattr(self, name) >= 0:
                raise PonderError(f"learner: {name}={getattr(self, name)}; it must be 0 or above")
        for name in ("clip_low", "final_rate"):
            if not 0 <= getattr(self, name) <= 1:
                raise PonderError(f"learner: {name}={getattr(self, name)}; allowed are 0 to 1")
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in allowed:
                raise PonderError(f"learner: {name}={getattr(self, name)!r}; allowed are {', '.join(allowed)}")
        if self.memory_bytes is not None and not self.memory_bytes > 0:
            raise PonderError(f"learner: memory_bytes={self.memory_bytes}; it must be above 0, or None for no limit")
        if self.schedule != "constant" and not self.total_steps > self.warmup_steps:
            raise PonderError(
                f"learner: total_steps={self.total_steps}; a {self.schedule} schedule needs more than "
                f"warmup_steps={self.warmup_steps}"
            )
