"""New weights into a loaded model, in place: all of them or none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from ponder.types import PonderError


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
