"""What one update says of itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass(frozen=True)
class UpdateReport:
    """Means are over trained tokens; log-probabilities and entropy are in nats. Not measured is None.

    `kl_mismatch` is mean(log mu - log pi) of the sampler mu and the learner pi before the step, `kl_mismatch_k3` the
    same divergence by mean(rho - 1 - log rho), which cannot be negative: with one engine both are rounding error.
    `metrics` are the means of what the loss itself reports, by name; `clip_fraction` is one of them. `skipped` says why
    a step was left out (None: none was), `offending` names the samples to blame. `forwarded` tokens went through the
    model (a shared prompt once; padded ones where the model wants rows), and `flops` counts their forward and backward
    passes. `steps` are the optimizer steps made by this update.
    """

    loss: float | None
    grad_norm: float | None
    samples: int
    tokens: int
    kl_mismatch: float | None
    kl_mismatch_k3: float | None
    clip_fraction: float | None
    entropy: float | None
    learning_rate: float
    steps: int
    skipped: str | None
    offending: tuple[str, ...]
    flops: float
    seconds: float
    forwarded: int = 0
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass
class Tally:
    """Sums over the trained tokens of an update, from which the report is made."""

    tokens: int = 0
    compared: int = 0
    loss: float = 0.0
    mismatch: float = 0.0
    mismatch_k3: float = 0.0
    metrics: dict[str, float] = field(default_factory=dict)
    entropy: float = 0.0
    flops: float = 0.0
    forwarded: int = 0
    grad_norms: list[float] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    offending: list[str] = field(default_factory=list)

    def add_tokens(self, loss: Tensor, difference_N: Tensor, entropy_N: Tensor, metrics: Mapping[str, Tensor]) -> float:
        """One micro-batch: its share of the loss and, for each token, log mu - log pi, entropy and the loss's metrics.

        Returns the share of the loss as a plain number.
        """
        # One copy to the host instead of one for each.
        k3_N = (-difference_N).exp() - 1 + difference_N
        means = [metric_N.sum() for metric_N in metrics.values()]
        sums = torch.stack([loss, difference_N.sum(), k3_N.sum(), entropy_N.sum(), *means]).tolist()
        self.tokens += len(difference_N)
        self.loss += sums[0]
        self.mismatch += sums[1]
        self.mismatch_k3 += sums[2]
        self.entropy += sums[3]
        for name, total in zip(metrics, sums[4:], strict=True):
            self.metrics[name] = self.metrics.get(name, 0.0) + total
        return float(sums[0])

    @staticmethod
    def added(parts: Sequence[Tally]) -> Tally:
        """The sums of one step from those of its ranks."""
        names = dict.fromkeys(name for part in parts for name in part.metrics)
        return Tally(
            tokens=sum(part.tokens for part in parts),
            loss=sum(part.loss for part in parts),
            mismatch=sum(part.mismatch for part in parts),
            mismatch_k3=sum(part.mismatch_k3 for part in parts),
            metrics={name: sum(part.metrics.get(name, 0.0) for part in parts) for name in names},
            entropy=sum(part.entropy for part in parts),
            flops=sum(part.flops for part in parts),
            forwarded=sum(part.forwarded for part in parts),
        )

    def add_step(self, step: Tally, grad_norm: float) -> None:
        """A whole step. The mismatch is taken from the first one only: later ones differ because weights moved."""
        if not self.grad_norms:
            self.mismatch, self.mismatch_k3, self.compared = step.mismatch, step.mismatch_k3, step.tokens
        self.tokens += step.tokens
        self.loss += step.loss
        self.entropy += step.entropy
        self.flops += step.flops
        self.forwarded += step.forwarded
        for name, total in step.metrics.items():
            self.metrics[name] = self.metrics.get(name, 0.0) + total
        self.grad_norms.append(grad_norm)

    def report(self, samples: int, sampled: bool, learning_rate: float, seconds: float) -> UpdateReport:
        """`sampled`: whether the rows carried a sampler's log-probabilities (cloning has none to compare with)."""
        steps = len(self.grad_norms)
        return UpdateReport(
            loss=_mean(self.loss, steps),
            grad_norm=_mean(sum(self.grad_norms), steps),
            samples=samples,
            tokens=self.tokens,
            kl_mismatch=_mean(self.mismatch, self.compared) if sampled else None,
            kl_mismatch_k3=_mean(self.mismatch_k3, self.compared) if sampled else None,
            clip_fraction=_mean(self.metrics["clip_fraction"], self.tokens)
            if "clip_fraction" in self.metrics
            else None,
            entropy=_mean(self.entropy, self.tokens),
            learning_rate=learning_rate,
            steps=steps,
            skipped="; ".join(dict.fromkeys(self.skipped)) or None,
            offending=tuple(dict.fromkeys(self.offending)),
            flops=self.flops,
            seconds=seconds,
            forwarded=self.forwarded,
            metrics={name: total / self.tokens for name, total in self.metrics.items()} if self.tokens else {},
        )


def _mean(total: float, count: int) -> float | None:
    return total / count if count else None
