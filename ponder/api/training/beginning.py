"""The weights that a run began with: for the control arms, which start there too, and for measuring the base.

A small model is kept. Of a large one only checksums are: its weights are read again from where they came when they are
asked for, after training, so that no second copy lies in memory while the trainer needs it. What was changed there in
the meantime is refused: a gain over another base would be none.
"""

from __future__ import annotations

import copy
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedModel

from ponder.models.load import load
from ponder.types import PonderError

KEPT = 256 << 20  # bytes of weights up to which a copy is kept


@dataclass(frozen=True)
class Beginning:
    """Where the model came from, and what its weights were. `held` None: they are read again."""

    name: str
    device: str
    dtype: torch.dtype
    held: Mapping[str, Tensor] | None
    sums: Mapping[str, int]

    @staticmethod
    def of(name: str, model: PreTrainedModel, device: str) -> Beginning:
        """To be made before anything changes `model`, which was loaded from `name`."""
        state: dict[str, Tensor] = model.state_dict()
        small = sum(p.nbytes for p in model.parameters()) <= KEPT
        return Beginning(
            name, device, model.dtype, copy.deepcopy(state) if small else None, {} if small else _sums(state)
        )

    def model(self) -> PreTrainedModel:
        """A model of its own as it was at the start; PonderError if it cannot be had again."""
        made = load(self.name, device=self.device, dtype=self.dtype).model
        if self.held is not None:
            made.load_state_dict(self.held)
        elif _sums(made.state_dict()) != self.sums:
            raise PonderError(
                f"model {self.name!r} is not what it was when this run began, so nothing can be compared with the "
                "base; put its files back and go on with --resume"
            )
        return made

    def weights(self) -> Mapping[str, Tensor]:
        """The weights alone, under the names of the model's state."""
        if self.held is not None:
            return self.held
        state: dict[str, Tensor] = self.model().state_dict()
        return state


def _sums(state: Mapping[str, Tensor]) -> dict[str, int]:
    """A checksum of each tensor's bytes, of a tensor with two names once."""
    known: dict[int, int] = {}
    for tensor in state.values():
        if tensor.data_ptr() not in known:
            flat = tensor.detach().cpu().contiguous().view(-1).view(torch.uint8)
            known[tensor.data_ptr()] = zlib.crc32(flat.numpy().data)
    return {name: known[tensor.data_ptr()] for name, tensor in state.items()}
