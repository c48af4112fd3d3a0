"""The critic: a value network that foresees what an answer will still earn, token by token (PPO, arXiv 1707.06347).

    V(s_t) = head(trunk(tokens before t)),   loss = 1/2 mean_t max((V - R)^2, (clip(V, V_old - c, V_old + c) - R)^2)

It starts as a copy of the policy's trunk with a new head that says 0 everywhere. `clip` c bounds how far values move in
an update (0: no bound). A critic that knows nothing misleads the policy more than none, so for the first `warmup`
updates it learns alone. It predicts before each token: the state that predicts token t is the one its value is read at.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor
from transformers import PreTrainedModel

from ponder.learning.core import Core
from ponder.learning.settings import JudgeTraining
from ponder.models.heads import head, judging_model, padded, step_logits
from ponder.models.size import forward_flops, training_flops
from ponder.types import Sample


class CriticTraining(JudgeTraining):
    """How the critic learns. `enabled=false` refuses algorithms that need one.

    The policy waits for a critic whose values explain less than `distrust` of the variance of the returns (0 is what
    their mean explains), and the run ends after `patience` such updates in a row.
    """

    enabled: bool = True
    warmup: Annotated[int, Field(ge=0)] = 4
    clip: Annotated[float, Field(ge=0)] = 0.2
    distrust: Annotated[float, Field(le=0, allow_inf_nan=False)] = -2.0
    patience: Annotated[int, Field(ge=0)] = 5
    minibatches: Annotated[int, Field(ge=1)] = 4


@dataclass(frozen=True, slots=True)
class CriticReport:
    """Mean loss of an update (None: no step was made), its work in FLOPs and its seconds."""

    loss: float | None
    flops: float
    seconds: float


class CriticTrainer:
    """Owns the value network of a policy."""

    def __init__(self, policy: PreTrainedModel, settings: CriticTraining, seed: int = 0) -> None:
        self.settings = settings
        self.model = judging_model(policy, "token", labels=1, seed=seed).eval()
        for parameter in head(self.model).parameters():
            torch.nn.init.zeros_(parameter)
        self.core = Core({name: p for name, p in self.model.named_parameters() if p.requires_grad}, settings)
        self.updates = 0

    @property
    def warming_up(self) -> bool:
        """Whether the policy should still wait for this critic."""
        return self.updates < self.settings.warmup

    @torch.no_grad()
    def values(self, samples: Sequence[Sample]) -> list[tuple[float, ...]]:
        """For each sample the value before each of its response tokens."""
        found: dict[int, tuple[float, ...]] = {}
        for part in self._parts(range(len(samples)), samples):
            flat = iter(self._values([samples[i] for i in part]).tolist())
            for index in part:
                found[index] = tuple(next(flat) for _ in samples[index].response)
        return [found[index] for index in range(len(samples))]

    def values_flops(self, samples: Sequence[Sample]) -> float:
        """Work of `values` on these samples."""
        return sum(forward_flops(self.model.config, len(sample), heads=0) for sample in samples)

    def update(self, samples: Sequence[Sample]) -> CriticReport:
        """One pass over samples that carry `returns_T` and `values_T`. A step that is not finite is left out."""
        started, losses = time.monotonic(), []
        self.updates += 1
        for indices in self._minibatches(len(samples)):
            tokens = sum(sum(samples[i].mask_T) for i in indices) or 1.0

            def backward(part: Sequence[int], tokens: float = tokens) -> float:
                loss = self._loss([samples[i] for i in part]) / tokens
                loss.backward()
                return float(loss.detach())

            done = self.core.step(self._parts(indices, samples), backward)
            if done.skipped:
                self.core.skip(f"critic's {done.skipped}", [samples[i].id for i in indices])
            else:
                losses.append(done.loss)
        self.core.zero()  # until the next step others may have the memory
        flops = training_flops(self.model.config, [len(sample) for sample in samples], heads=0)
        return CriticReport(sum(losses) / len(losses) if losses else None, flops, time.monotonic() - started)

    def _minibatches(self, count: int) -> list[list[int]]:
        parts = min(self.settings.minibatches, count)
        order = torch.randperm(count, generator=torch.Generator().manual_seed(self.updates)).tolist()
        return [order[count * i // parts : count * (i + 1) // parts] for i in range(parts)]

    def _parts(self, indices: Sequence[int], samples: Sequence[Sample]) -> list[list[int]]:
        """Samples of like length together, at most `micro_tokens` padded tokens each; a longer one stands alone."""
        parts: list[list[int]] = []
        for index in sorted(indices, key=lambda i: len(samples[i])):
            if parts and len(samples[index]) * (len(parts[-1]) + 1) <= self.settings.micro_tokens:
                parts[-1].append(index)
            else:
                parts.append([index])
        return parts

    def _values(self, samples: Sequence[Sample]) -> Tensor:
        """Values before all response tokens of these samples, one after the other."""
        rows = [(*sample.prompt, *sample.response)[:-1] for sample in samples]
        at_B = [i for i, sample in enumerate(samples) for _ in sample.response]
        at_T = [len(sample.prompt) - 1 + t for sample in samples for t in range(len(sample.response))]
        device = self.model.device
        places = (torch.tensor(some, device=device) for some in (at_B, at_T))
        return step_logits(self.model, padded(rows, device), *places).float()

    def _loss(self, samples: Sequence[Sample]) -> Tensor:
        def flat(name: str) -> Tensor:
            values = [value for sample in samples for value in getattr(sample, name)]
            return torch.tensor(values, device=self.model.device)

        values_N, returns_N, mask_N = self._values(samples), flat("returns_T"), flat("mask_T")
        error_N = (values_N - returns_N) ** 2
        if self.settings.clip:
            old_N = flat("values_T")
            near_N = old_N + (values_N - old_N).clamp(-self.settings.clip, self.settings.clip)
            error_N = torch.maximum(error_N, (near_N - returns_N) ** 2)
        return 0.5 * (mask_N * error_N).sum()
