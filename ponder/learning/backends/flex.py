"""The flex backend: packed rows that share prompts, through the model's own forward with a block mask.

Tokens lie as in the packed backend, each with its own position; attention gets one mask that says which token sees
which: those before it in its own piece and all of its stem. On CUDA the mask is a `BlockMask` of flex attention,
computed from four numbers a token, so memory grows with T and not with T x T. Elsewhere (and for tests) it is a dense
mask of T x T truth values. Models with sliding windows or with attention that takes no mask are refused: their layers
need masks of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from ponder.learning.backends.backend import of_logits
from ponder.learning.packed import head
from ponder.learning.packed.layout import Group, Ints, Packing, packed
from ponder.learning.packed.precision import Numbers
from ponder.models import lean
from ponder.types import PonderError

# Tokens of a block of the mask. Flex attention is compiled for lengths that are multiples of it, once for all of them.
_BLOCK = 128


@dataclass(frozen=True)
class Masked:
    """Token ids and positions [1, N], and what each token sees: a dense mask [1, 1, N, N] or a `BlockMask`."""

    ids_1N: Tensor
    positions_1N: Tensor
    mask: Any


@dataclass(frozen=True)
class Flex:
    """`blocks`: masks are block masks (CUDA), else dense. `plain`: logits are W h, and are computed in chunks."""

    numbers: Numbers
    blocks: bool
    plain: bool
    name: str = "flex"
    shares: bool = True

    @property
    def dtype(self) -> torch.dtype:
        return self.numbers.dtype

    def lay_out(self, groups: Sequence[Group], device: torch.device) -> tuple[Masked, list[Ints]]:
        packing = packed(groups)
        more = -len(packing.ids) % _BLOCK if self.blocks else 0
        ids, positions = (
            torch.tensor([[*values, *[0] * more]], device=device) for values in (packing.ids, packing.positions)
        )
        piece_N, stem_N = _pieces(packing, more, device)
        mask = _blocks(piece_N, stem_N) if self.blocks else _dense(piece_N, stem_N)
        return Masked(ids, positions, mask), packing.predictors

    def logprobs(
        self,
        model: PreTrainedModel,
        tokens: Masked,
        positions_N: Tensor,
        targets_N: Tensor,
        temperature: float,
        entropy_gradient: bool = False,
    ) -> tuple[Tensor, Tensor]:
        inputs = {
            "input_ids": tokens.ids_1N,
            "position_ids": tokens.positions_1N,
            "attention_mask": tokens.mask,
            "use_cache": False,
        }
        mixed = self.dtype != model.dtype
        with torch.autocast(model.device.type, self.dtype, enabled=mixed):
            if self.plain:
                hidden_NH = model.base_model(**inputs).last_hidden_state[0].index_select(0, positions_N)
            else:
                logits_1NV = model(**inputs, logits_to_keep=positions_N).logits
        if self.plain:
            weight_VH: Tensor = model.get_output_embeddings().weight
            rounded = self.numbers.rounded or mixed
            return head.chosen(hidden_NH.to(model.dtype), weight_VH, targets_N, temperature, rounded, entropy_gradient)
        return of_logits(logits_1NV[0], targets_N, temperature, entropy_gradient)


def prepared(model: PreTrainedModel, numbers: Numbers) -> Flex:
    """The backend for `model`, whose attention is switched to what takes the mask. PonderError if it cannot."""
    if not can_serve(model):
        raise PonderError(
            f"trainer.backend=flex: layers of {model.config.model_type} attend through windows or masks of their own; "
            "use trainer.backend=module"
        )
    blocks = model.device.type == "cuda"
    model.set_attn_implementation("flex_attention" if blocks else "sdpa")
    return Flex(numbers, blocks, plain=lean.supports(model))


def can_serve(model: PreTrainedModel) -> bool:
    """Whether all layers attend by plain causal attention that transformers can mask and flex attention can compute."""
    config = model.config
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    window = getattr(config, "sliding_window", None) and getattr(config, "use_sliding_window", True)
    flexible = bool(getattr(type(model), "_supports_flex_attn", False))
    return flexible and kinds == {"full_attention"} and not window and hasattr(config, "rope_parameters")


def _pieces(packing: Packing, more: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """For each token [N] the piece it lies in, and the piece that is its stem (its own where it has none).

    `more` tokens of padding follow, which see one another and nothing else.
    """
    piece = torch.full((len(packing.ids) + more,), len(packing.pieces), dtype=torch.long)
    stem = piece.clone()
    starts = {part.start: index for index, part in enumerate(packing.pieces)}
    for index, part in enumerate(packing.pieces):
        piece[part.start : part.start + part.length] = index
        stem[part.start : part.start + part.length] = starts[part.stem_start] if part.shared else index
    return piece.to(device), stem.to(device)


def _dense(piece_N: Tensor, stem_N: Tensor) -> Tensor:
    """[1, 1, N, N]: token i sees token j of its own piece or of its stem, if j is not later."""
    place = torch.arange(len(piece_N), device=piece_N.device)
    same = (piece_N[:, None] == piece_N[None]) | (stem_N[:, None] == piece_N[None])
    return (same & (place[:, None] >= place[None]))[None, None]


def _blocks(piece_N: Tensor, stem_N: Tensor) -> Any:
    """The same as a block mask: nothing of size N x N is kept."""
    from torch.nn.attention.flex_attention import create_block_mask

    def sees(_batch: Tensor, _head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        same = (piece_N[query] == piece_N[key]) | (stem_N[query] == piece_N[key])
        return same & (query >= key)

    count = len(piece_N)
    return create_block_mask(sees, None, None, count, count, device=str(piece_N.device))
