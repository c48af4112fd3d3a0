"""New weights into a loaded model: all of them or none, and never older ones over newer.

Also the watch over weights that an engine shares with a trainer, which changes them in place.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from ponder.protocols import WeightSource
from ponder.types import PonderError

_LOOKED_AT = 64


def check_version(version: int, live: int) -> None:
    """Refuse an update that arrives late. The live version again is allowed: a sender may repeat itself."""
    if version < live:
        raise PonderError(
            f"weights of version {version} are refused: version {live} is live already; number updates upwards"
        )


def tensors_of(source: WeightSource) -> Mapping[str, Any]:
    """The tensors of a source, for an engine that takes nothing else."""
    if source.tensors is None:
        raise PonderError("this engine takes weights as tensors, and the source has none; give WeightSource(tensors=)")
    return source.tensors


class Watched:
    """Whether parameters that somebody else may change are still those that were taken last.

    Most changes in place count up a number that torch keeps with each tensor, which costs nothing to look at. Fused
    optimizers and raw pointers do not; so a `thorough` check also compares some values of every parameter.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        self._model = model
        self._note()

    def _note(self) -> None:
        self._counted, self._seen = self._count(), self._values()

    def _count(self) -> int:
        return sum(p._version for p in self._model.parameters())  # noqa: SLF001  (torch has no public name for it)

    @torch.no_grad()
    def _values(self) -> list[Tensor]:
        """Copies of up to `_LOOKED_AT` values of each parameter, evenly spread."""
        flat = (parameter.reshape(-1) for parameter in self._model.parameters())
        return [values[:: max(1, len(values) // _LOOKED_AT)].clone() for values in flat]

    def take(self, state: Mapping[str, Any]) -> None:
        """The weights as they are now count from here on. `state` may hold nothing but the module's own tensors."""
        own: dict[str, Tensor] = self._model.state_dict()
        for name, value in state.items():
            _check(name, value, own)
            if value.data_ptr() != own[name].data_ptr():
                raise PonderError(
                    f"new weights: {name!r} is not the tensor that this engine shares with the trainer, and would be "
                    "written over the trainer's; let the engine have a copy (share_weights=false)"
                )
        self._note()

    def check(self, *, thorough: bool) -> None:
        """PonderError if the parameters changed since they were taken."""
        changed = self._count() != self._counted
        if changed or (thorough and not all(map(torch.equal, self._seen, self._values()))):
            raise PonderError(
                "the weights that this engine shares with a trainer were changed and not yet published; call "
                "update_weights before sampling, or let the engine have a copy (share_weights=false)"
            )


def replace(model: PreTrainedModel, state: Mapping[str, Any]) -> None:
    """Copy `state` over the model's parameters; dtype and device may differ, names and shapes may not.

    Of tied tensors one name is enough. The first name that is unknown, missing, of another shape or not finite is
    named in the error, and then nothing was copied.
    """
    own: dict[str, Tensor] = model.state_dict()
    given = {tensor.data_ptr() for name, tensor in own.items() if name in state}
    for name, value in state.items():
        _check(name, value, own)
    for name, tensor in own.items():
        if name not in state and tensor.data_ptr() not in given:
            raise PonderError(f"new weights lack {name!r}; give the whole state_dict of the same architecture")
    with torch.no_grad():
        for name, value in state.items():
            own[name].copy_(value)


def _check(name: str, value: Any, own: Mapping[str, Tensor]) -> None:
    if name not in own:
        raise PonderError(f"new weights hold {name!r}, which this model has not; use transformers parameter names")
    if not isinstance(value, Tensor) or value.shape != own[name].shape:
        got = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
        raise PonderError(f"new weights: {name!r} is {got}, this model has {tuple(own[name].shape)}")
    if not torch.isfinite(value).all():
        raise PonderError(f"new weights: {name!r} holds values that are not finite; nothing was replaced")
