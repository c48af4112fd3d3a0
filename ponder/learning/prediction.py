"""What a step will cost, known before it runs: tokens that are computed, floating-point operations, bytes.

FLOPs are those of the architecture over the tokens that are computed (a shared prompt once): layers for each token, the
output head for trained tokens only. A backward pass is two forward passes. What is computed twice to save memory and
what padding costs is our choice and not counted.

Bytes are the peak of what a step adds to the bare weights: gradients and AdamW's two moments, and for the largest
micro-batch what the backward pass needs of each layer (compiled attention keeps no scores; large weights that are laid
side by side are made twice and not kept), the weights copied in the type of the products, one chunk of logits. A model
without a packed forward is estimated by the tensors that an ordinary transformers layer keeps. Allocator overhead is
left out; tests hold the prediction to the measured peak.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.nn import Module
from transformers import PreTrainedModel

from ponder.learning.backends.backend import Backend
from ponder.learning.packed import fused, head
from ponder.learning.packed.attention import keeps
from ponder.learning.packed.layout import Group
from ponder.learning.packed.native.attention import code_for
from ponder.models.lean import Shape
from ponder.models.size import flops_per_token


@dataclass(frozen=True)
class Prediction:
    """Of a whole update: micro-batches, tokens computed, FLOPs, and the peak in bytes beyond the weights."""

    micro_batches: int
    tokens: int
    flops: float
    bytes: int


@dataclass(frozen=True)
class Cost:
    """Prices of one model under one backend; `kl`: the loss also asks a reference."""

    model: PreTrainedModel
    backend: Backend
    kl: bool = False
    checkpointing: bool = False

    @property
    def item(self) -> int:
        """Size in bytes of a number in the layers' products."""
        return self.backend.dtype.itemsize

    def tokens(self, groups: Sequence[Group]) -> int:
        """Packed tokens, or padded ones where the model wants rows."""
        if self.backend.shares:
            return sum(len(group.prompt) + sum(group.bodies) for group in groups)
        return len(groups) * max(group.longest for group in groups)

    def flops(self, groups: Sequence[Group]) -> float:
        """Of one forward pass."""
        config = self.model.config
        top = 2.0 * config.hidden_size * config.vocab_size
        total = 0.0
        for group in groups:
            p = len(group.prompt)
            total += p * (flops_per_token(config, (p + 1) // 2) - top)
            total += sum(m * (flops_per_token(config, p + (m + 1) // 2) - top) for m in group.bodies)
            total += top * sum(_trained(group))
        return total

    def bytes(self, groups: Sequence[Group]) -> int:
        """Peak of one micro-batch, gradients and optimizer included."""
        activations = self._packed_bytes(groups) if self.backend.name == "packed" else self._row_bytes(groups)
        return self.fixed + activations

    @property
    def fixed(self) -> int:
        """Gradients and moments of what learns, masters where it is not float32; the reference of a KL pull."""
        learning = [p for p in self.model.parameters() if p.requires_grad]
        states = sum(4 * p.numel() * (3 if p.dtype == torch.float32 else 4) for p in learning)
        copied = self.kl and all(p.requires_grad for p in self.model.parameters())  # adapters leave the base as it is
        return states + (_bytes(self.model) if copied else 0)

    @property
    def _compiled(self) -> bool:
        """Whether attention runs as compiled code, which computes its probabilities twice and keeps none."""
        numbers = torch.float32 if self.item == 4 else torch.bfloat16
        return code_for(self.model.device, numbers, Shape.of(self.model)) is not None

    def _packed_bytes(self, groups: Sequence[Group]) -> int:
        c, n = self.model.config, self.tokens(groups)
        trained = sum(sum(_trained(group)) for group in groups)
        hidden, inner, layers = c.hidden_size, c.intermediate_size, c.num_hidden_layers
        d = getattr(c, "head_dim", None) or hidden // c.num_attention_heads
        heads = c.num_attention_heads + 2 * c.num_key_value_heads
        # Kept a layer: two normed inputs, turned heads, attention's output, gate, up and their product.
        kept = n * self.item * (2 * hidden + (heads + c.num_attention_heads) * d + 3 * inner)
        if self._compiled:  # each row's rotation and the logarithm of its sum of powers
            kept += n * 4 * (2 * d + c.num_attention_heads)
        else:
            pairs = [_pairs(group) for group in groups]
            kept += self.item * c.num_attention_heads * sum(pair for pair, keys in pairs if keeps(keys))
        together = [self.item * d * hidden * heads, self.item * 2 * hidden * inner]  # weights laid side by side
        copies = sum(size for size in together if size < fused.LARGE)
        if self.backend.dtype != self.model.dtype:  # the output projections in the type of the products
            copies += self.item * (d * hidden * c.num_attention_heads + hidden * inner)
        # Passing through one layer's backward: the gated block or the heads in float32, whichever is larger, and
        # the weights that are put together once more beside their gradient.
        passing = n * max(self.item * 5 * inner + 8 * hidden, 4 * 4 * heads * d) + 2 * max(together)
        chunk = 3 * 4 * min(trained, head.rows(c.vocab_size, self.model.device.type)) * c.vocab_size
        top = 4 * (2 * trained * hidden + c.vocab_size * hidden) + chunk
        if self.checkpointing:  # the input of each layer, and all that is kept of the one that is computed again
            return int(layers * n * 4 * hidden + kept + copies + max(passing, top))
        return int(layers * (kept + copies) + max(passing, top))

    def _row_bytes(self, groups: Sequence[Group]) -> int:
        c, n = self.model.config, self.tokens(groups)
        inner = getattr(c, "intermediate_size", None) or 4 * c.hidden_size
        kept = n * self.item * (10 * c.hidden_size + 4 * inner) + 8 * n * c.hidden_size
        asked = sum(sum(_trained(group)) for group in groups) if self.backend.shares else n
        logits = asked * c.vocab_size * (self.item + 4 * 3)
        if self.checkpointing:
            return int(c.num_hidden_layers * n * self.item * c.hidden_size + kept + logits)
        return int(c.num_hidden_layers * kept + logits)


def _trained(group: Group) -> list[int]:
    return [sum(1 for m in row.sample.mask_T if m) for row in group.rows]


def _pairs(group: Group) -> tuple[int, int]:
    """Scores of one head, and the keys of the longest row. Causality saves no memory."""
    p, longest = len(group.prompt), max(group.bodies)
    if group.shares:
        return p * p + sum(m * (p + m) for m in group.bodies), p + longest
    return (p + longest) ** 2, p + longest


def _bytes(model: Module) -> int:
    return sum(p.nbytes for p in model.parameters())
