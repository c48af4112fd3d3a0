"""The settings of the learner; the defaults are the vetted ones."""

from __future__ import annotations

from dataclasses import dataclass

from ponder.learning.losses.normalisation import Normalisation
from ponder.types import PonderError


@dataclass(frozen=True)
class LearnerConfig:
    """`micro_tokens` are padded tokens a micro-batch (4096 stay in the cache of two CPU cores; more suits a GPU).

    `temperature` is the one that the samples were drawn at. `constant_length` divides token sums under
    normalisation "constant" (cloning always counts tokens). `kl_coefficient` above 0 keeps a frozen copy of the
    start. `minibatches` cuts an update into that many optimizer steps. `max_skips` skipped steps in a row are an error.
    """

    learning_rate: float = 1e-4
    warmup_steps: int = 5
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
    micro_tokens: int = 4096
    max_skips: int = 5
    seed: int = 0

    def __post_init__(self) -> None:
        positive = ("learning_rate", "max_grad_norm", "temperature", "constant_length", "minibatches", "micro_tokens")
        for name in (*positive, "max_skips"):
            if not getattr(self, name) > 0:
                raise PonderError(f"learner: {name}={getattr(self, name)}; it must be above 0")
        for name in ("warmup_steps", "weight_decay", "clip_high", "kl_coefficient"):
            if not getattr(self, name) >= 0:
                raise PonderError(f"learner: {name}={getattr(self, name)}; it must be 0 or above")
        if not 0 <= self.clip_low <= 1:
            raise PonderError(f"learner: clip_low={self.clip_low}; allowed are 0 to 1")
        if self.normalisation not in ("token", "sequence", "constant"):
            raise PonderError(f"learner: normalisation={self.normalisation!r}; allowed are token, sequence, constant")
