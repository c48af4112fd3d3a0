"""One optimizer step, the same for policy, critic and verifiers: gradients in, guarded step out.

Master weights are float32. A model that computes in float32 is its own master. One that computes in bfloat16 has
copies: gradients of its micro-batches are added up in float32, AdamW moves the copies, and the model gets them rounded.
Without them most steps of a small rate are lost: bfloat16 has 8 bits, so a step below 1/256 of a weight rounds to none.

A step whose loss or gradient is not finite is left out: weights and optimizer stay as they were, and after `max_skips`
such steps in a row the trainer gives up loudly.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn

from ponder.learning.checkpoints.state import optimizer_tensors, restore_optimizer, with_prefix
from ponder.learning.schedule import rate
from ponder.learning.settings import OptimizerSettings
from ponder.types import PonderError

M = TypeVar("M")


class Diverged(PonderError):
    """Too many steps in a row were not finite: the weights are as they were before them, and no good any more."""


@dataclass(frozen=True, slots=True)
class Stepped:
    """What a step did: its loss, the gradient's norm before clipping, why it was left out (None: it was not)."""

    loss: float
    norm: float
    skipped: str | None = None


class Core:
    """The optimizer over some parameters of a model. `total_steps` is the length of the schedule (0: unknown).

    `masters` are those of parameters, by id, that another optimizer moves too: both move the same numbers.
    """

    def __init__(
        self,
        parameters: Mapping[str, nn.Parameter],
        settings: OptimizerSettings,
        total_steps: int = 0,
        masters: Mapping[int, Tensor] | None = None,
    ) -> None:
        self.settings, self.total_steps = settings, settings.total_steps or total_steps
        if settings.schedule != "constant" and self.total_steps <= settings.warmup_steps:
            raise PonderError(
                f"trainer: a {settings.schedule} schedule needs more than warmup_steps={settings.warmup_steps} "
                f"steps and the run makes {self.total_steps}; lower trainer.warmup_steps or train longer"
            )
        self.parameters = dict(parameters)
        known = masters or {}
        self.masters: dict[str, Tensor] = {
            name: known[id(p)] if id(p) in known else _master(p) for name, p in self.parameters.items()
        }
        self._rounded = {name: p for name, p in self.parameters.items() if self.masters[name] is not p}
        self.optimizer = torch.optim.AdamW(
            self.masters.values(),
            lr=settings.learning_rate,
            betas=settings.betas,
            weight_decay=settings.weight_decay,
            fused=True,
        )
        self.scale = 1.0  # on the rate; a run that went back to an earlier state lowers it
        self.steps = 0
        self.skips = 0
        self.skips_in_a_row = 0

    @property
    def learning_rate(self) -> float:
        """The rate of the next step."""
        s = self.settings
        return self.scale * rate(
            self.steps,
            peak=s.learning_rate,
            warmup=s.warmup_steps,
            schedule=s.schedule,
            total=self.total_steps,
            floor=s.final_rate,
        )

    def step(
        self, micros: Iterable[M], backward: Callable[[M], float], whole: Callable[[float], float] = float
    ) -> Stepped:
        """Call `backward` (adds a gradient, returns its part of the loss) on each part, then move the weights once.

        `whole` gives the loss of all ranks from that of this one, so that they leave out the same steps.
        """
        self.zero()
        loss = 0.0
        for micro in micros:
            loss += backward(micro)
            self._collect()
        loss = whole(loss)
        norm = float(_whole(nn.utils.clip_grad_norm_(self.masters.values(), self.settings.max_grad_norm)))
        if not (math.isfinite(loss) and math.isfinite(norm)):
            self.zero()
            return Stepped(loss, norm, f"{'gradient' if math.isfinite(loss) else 'loss'} is not finite")
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate
        self.optimizer.step()
        self._write_back()
        self.steps += 1
        self.skips_in_a_row = 0
        return Stepped(loss, norm)

    def skip(self, reason: str, offending: Iterable[str]) -> None:
        """Count a step that was left out. PonderError after `max_skips` of them in a row."""
        self.skips += 1
        self.skips_in_a_row += 1
        if self.skips_in_a_row >= self.settings.max_skips:
            names = ", ".join(list(offending)[:5])
            raise Diverged(
                f"training: {self.skips_in_a_row} steps in a row were skipped, the last because the {reason} "
                f"(samples {names}); lower the learning rate or go back to an earlier checkpoint"
            )

    def zero(self) -> None:
        """Forget all gradients."""
        self.optimizer.zero_grad()
        for parameter in self._rounded.values():
            parameter.grad = None

    def gradients_finite(self) -> bool:
        """Whether what was added up so far is finite."""
        self._collect()
        return all(bool(_whole(m.grad.isfinite().all())) for m in self.masters.values() if m.grad is not None)

    def tensors(self) -> dict[str, Tensor]:
        """Moments, step counts and masters by name: with the model's own weights all that the next step depends on."""
        masters = {f"master.{name}": self.masters[name].detach() for name in self._rounded}
        return masters | optimizer_tensors(self.optimizer, self.masters)

    def counters(self) -> dict[str, int]:
        return {"steps": self.steps, "skips": self.skips, "skips_in_a_row": self.skips_in_a_row}

    @torch.no_grad()
    def load(self, tensors: Mapping[str, Tensor], counters: Mapping[str, int]) -> None:
        """Continue bit-equal from `tensors` and `counters`; the model's own weights are restored already."""
        masters = with_prefix(tensors, "master.")
        for name, parameter in self._rounded.items():
            self.masters[name].copy_(masters.get(name, parameter))
        restore_optimizer(self.optimizer, self.masters, tensors)
        self.steps, self.skips = counters["steps"], counters["skips"]
        self.skips_in_a_row = counters["skips_in_a_row"]

    def finish(self) -> None:
        """No step follows: give back what only steps need. The weights stay."""
        self.zero()
        self.optimizer.state.clear()

    @torch.no_grad()
    def restart(self, weights: Mapping[str, Tensor]) -> None:
        """Put the parameters back to `weights` and forget all moments; steps and schedule go on."""
        for name, master in self.masters.items():
            master.copy_(weights[name])
        self._write_back()
        self.optimizer.state.clear()

    @torch.no_grad()
    def _collect(self) -> None:
        """Move gradients of rounded parameters to their masters, in float32."""
        for name, parameter in self._rounded.items():
            if parameter.grad is None:
                continue
            master = self.masters[name]
            if master.grad is None:
                master.grad = parameter.grad.float()
            else:
                master.grad += parameter.grad
            parameter.grad = None

    @torch.no_grad()
    def _write_back(self) -> None:
        for name, parameter in self._rounded.items():
            parameter.copy_(self.masters[name])


def _master(parameter: nn.Parameter) -> Tensor:
    """The parameter itself if it is float32, else a float32 copy that learns in its place."""
    if parameter.dtype == torch.float32:
        return parameter
    return parameter.detach().float().clone().requires_grad_()


def _whole(value: Tensor) -> Tensor:
    """A number that may be spread over the ranks of a group (a DTensor), as one on this rank."""
    full = getattr(value, "full_tensor", None)
    return value if full is None else full()
