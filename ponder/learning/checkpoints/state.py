"""The learner's state as plain tensors and counters: no pickle, names instead of positions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ponder.types import PonderError

_MOMENTS = ("exp_avg", "exp_avg_sq", "step")


@dataclass(frozen=True)
class LearnerState:
    """`weights` are the model's parameters; a checkpoint keeps them as a model folder, apart from the rest.

    `tensors` are named reference.* (only with a KL pull), exp_avg.*, exp_avg_sq.* and step.*.
    """

    weights: Mapping[str, Tensor]
    tensors: Mapping[str, Tensor]
    counters: Mapping[str, int]


def optimizer_tensors(optimizer: torch.optim.Optimizer, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """AdamW's moments and step count of each parameter; empty before the first step."""
    out: dict[str, Tensor] = {}
    for name, parameter in parameters.items():
        state = optimizer.state.get(parameter, {})
        out |= {f"{moment}.{name}": state[moment] for moment in _MOMENTS if moment in state}
    return out


def restore_optimizer(
    optimizer: torch.optim.Optimizer, parameters: Mapping[str, Tensor], tensors: Mapping[str, Tensor]
) -> None:
    """Put the moments back; a parameter without any (saved before its first step) starts anew."""
    optimizer.state.clear()
    for name, parameter in parameters.items():
        saved = {moment: tensors[f"{moment}.{name}"] for moment in _MOMENTS if f"{moment}.{name}" in tensors}
        for moment in ("exp_avg", "exp_avg_sq"):
            if moment in saved and saved[moment].shape != parameter.shape:
                raise PonderError(f"checkpoint: {moment} of {name} is not of the model's shape {list(parameter.shape)}")
        if saved:
            optimizer.state[parameter] = {m: t.clone().to(parameter.device) for m, t in saved.items()}


def with_prefix(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names begin with `prefix`, named without it."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


@torch.no_grad()
def restore_weights(model: nn.Module, saved: Mapping[str, Tensor]) -> None:
    """Copy the saved values over the parameters, in place; names and shapes must be the model's own."""
    own = dict(model.named_parameters())
    wrong = sorted(own.keys() ^ saved.keys()) or [n for n, p in own.items() if p.shape != saved[n].shape]
    if wrong:
        raise PonderError(f"checkpoint: it belongs to another model (first difference: {wrong[0]})")
    for name, parameter in own.items():
        parameter.copy_(saved[name])
