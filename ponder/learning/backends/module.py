"""The module backend: right-padded rows through the model's own forward, for any transformers causal language model.

It calls the module and nothing else, so FSDP2, LoRA and whatever wraps a module work with it. A head of unknown make
(soft caps, scales) is the model's own business. Logits are asked for from the first trained position on where the
forward can leave the others out.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel

from ponder.learning.backends.backend import of_logits
from ponder.learning.packed.layout import Group, Ints
from ponder.learning.packed.precision import Numbers


@dataclass(frozen=True)
class Padded:
    """Token ids [B, T]; what stands behind a row's end is id 0 and nothing before it attends there."""

    ids_BT: Tensor
    first: int  # no position before this one is asked about


@dataclass(frozen=True)
class Module:
    """One row of a group at a time, so that a prompt is computed for each of its answers."""

    numbers: Numbers
    name: str = "module"
    shares: bool = False

    @property
    def dtype(self) -> torch.dtype:
        return self.numbers.dtype

    def lay_out(self, groups: Sequence[Group], device: torch.device) -> tuple[Padded, list[Ints]]:
        rows = [row for group in groups for row in group.rows]
        longest = max(len(row.sample) for row in rows)
        ids = np.zeros((len(rows), longest), dtype=np.int64)
        for index, row in enumerate(rows):
            ids[index, : len(row.sample)] = list(chain(row.sample.prompt, row.sample.response))
        starts = [index * longest + len(row.sample.prompt) - 1 for index, row in enumerate(rows)]
        places = [start + np.arange(len(row.sample.response)) for start, row in zip(starts, rows, strict=True)]
        first = min(len(row.sample.prompt) for row in rows) - 1
        return Padded(torch.from_numpy(ids).to(device), first), places

    def logprobs(
        self,
        model: PreTrainedModel,
        tokens: Padded,
        positions_N: Tensor,
        targets_N: Tensor,
        temperature: float,
        entropy_gradient: bool = False,
    ) -> tuple[Tensor, Tensor]:
        longest = tokens.ids_BT.shape[1]
        kept = {"logits_to_keep": longest - tokens.first} if tokens.first and _can_leave_out(model) else {}
        with torch.autocast(model.device.type, self.dtype, enabled=self.dtype != model.dtype):
            logits_BTV = model(input_ids=tokens.ids_BT, use_cache=False, **kept).logits
        left_out = longest - logits_BTV.shape[1]
        row_N, place_N = positions_N // longest, positions_N % longest
        return of_logits(logits_BTV[row_N, place_N - left_out], targets_N, temperature, entropy_gradient)


def _can_leave_out(model: PreTrainedModel) -> bool:
    return "logits_to_keep" in inspect.signature(type(model).forward).parameters
