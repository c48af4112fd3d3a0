"""The packed backend: a trunk of our own over prompt-sharing packed rows, for Llama, Qwen2 and Qwen3 (the CPU's path).

Tokens of all rows stand in one sequence without padding and a prompt that several rows share stands once. The output
head stays in the model's own numbers, for a rounded logit is an error of the log-probability.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedModel

from ponder.learning.packed import head, trunk
from ponder.learning.packed.layout import Group, Ints, packed
from ponder.learning.packed.precision import Numbers
from ponder.learning.packed.tiles import Layout, layout
from ponder.models.lean import Shape


@dataclass(frozen=True)
class Packed:
    """`checkpointing`: the backward pass computes each layer again and keeps only what goes into it."""

    shape: Shape
    numbers: Numbers
    checkpointing: bool = False
    name: str = "packed"
    shares: bool = True

    @property
    def dtype(self) -> torch.dtype:
        return self.numbers.dtype

    def lay_out(self, groups: Sequence[Group], device: torch.device) -> tuple[Layout, list[Ints]]:
        packing = packed(groups)
        return layout(packing, self.shape, device), packing.predictors

    def logprobs(
        self,
        model: PreTrainedModel,
        tokens: Layout,
        positions_N: Tensor,
        targets_N: Tensor,
        temperature: float,
        entropy_gradient: bool = False,
    ) -> tuple[Tensor, Tensor]:
        hidden_NH = trunk.hidden_states(model, tokens, positions_N, self.numbers, self.checkpointing)
        rounded = self.numbers.rounded or self.numbers.dtype != model.dtype
        weight_VH: Tensor = model.get_output_embeddings().weight
        return head.chosen(hidden_NH, weight_VH, targets_N, temperature, rounded, entropy_gradient)
