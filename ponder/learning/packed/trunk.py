"""The decoder's forward over packed tokens, for Llama, Qwen2 and Qwen3 (what `lean.supports`).

The parameters stay in the transformers module; gradients flow back into them. Weights that carry LoRA matrices (peft)
count as W + scale * B A. Rows of the query and key weights are read in an order that puts the two numbers which a
rotation mixes side by side (see `attention`); no score changes by it.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedModel

from ponder.learning.lora import weight_of
from ponder.learning.packed.attention import attend
from ponder.learning.packed.fused import gated_mlp, norm, stacked
from ponder.learning.packed.precision import Numbers, linear
from ponder.learning.packed.tiles import Layout
from ponder.models import lean


def hidden_states(
    model: PreTrainedModel, layout: Layout, places_N: Tensor, numbers: Numbers, checkpointing: bool = False
) -> Tensor:
    """Final hidden states [len(places), hidden] of the packed tokens at `places_N`, normed, in the model's own type.

    `checkpointing`: layers but the last are computed again in the backward pass, which then keeps their inputs alone.
    """
    decoder: Any = model.base_model
    shape, rounded = lean.Shape.of(model), numbers.rounded
    turns = _turns(model, layout.positions)
    embedding = decoder.embed_tokens
    # The library learns nothing for the padding token, wherever it stands; often it starts as zeros.
    x: Tensor = F.embedding(layout.ids, embedding.weight, embedding.padding_idx)

    def layer(x: Tensor, block: Any, last: bool) -> Tensor:
        attended = attend(_project(x, block, shape, numbers), turns, layout, shape, rounded)
        if last:  # nothing reads the last layer's other tokens
            x, attended = x.index_select(0, places_N), attended.index_select(0, places_N)
        x = x + linear(attended, weight_of(block.self_attn.o_proj).to(numbers.dtype), None, rounded)
        return x + _mlp(x, block, shape, numbers)

    for block in decoder.layers[:-1]:
        x = checkpoint(layer, x, block, False, use_reentrant=False) if checkpointing else layer(x, block, False)
    x = layer(x, decoder.layers[-1], True)
    normed: Tensor = norm(x, shape.epsilon, x.dtype)
    weight: Tensor = decoder.norm.weight
    return normed * weight


def _turns(model: PreTrainedModel, positions_N: Tensor) -> Tensor:
    """Each token's rotation as complex numbers [N, 1, D / 2]."""
    decoder: Any = model.base_model
    angles = positions_N.float()[:, None] * decoder.rotary_emb.inv_freq.float().to(positions_N.device)
    return torch.complex(angles.cos(), angles.sin())[:, None]


def _pairs(head_dim: int, device: torch.device) -> Tensor:
    """Dimension i beside i + D / 2, the one that the rotation mixes with it."""
    return torch.arange(head_dim, device=device).view(2, -1).T.reshape(-1)


def _project(x: Tensor, block: Any, shape: lean.Shape, numbers: Numbers) -> Tensor:
    """Queries, keys and values side by side, pairs together in the first two: [N, (H + 2K) * D]."""
    attention, d, turned = block.self_attn, shape.head_dim, shape.heads + shape.kv_heads
    projections: tuple[nn.Linear, ...] = (attention.q_proj, attention.k_proj, attention.v_proj)
    pairs = _pairs(d, x.device)
    heads = torch.arange((turned + shape.kv_heads) * d, device=x.device).view(-1, d)
    order = torch.cat([heads[:turned, pairs], heads[turned:]]).view(-1)
    weight, again = stacked(block.input_layernorm.weight, order, numbers.dtype, *map(weight_of, projections))
    bias = None if projections[0].bias is None else torch.cat([p.bias for p in projections])[order].to(numbers.dtype)
    qkv: Tensor = linear(norm(x, shape.epsilon, numbers.dtype), weight, bias, numbers.rounded, again)
    if not hasattr(attention, "q_norm"):
        return qkv
    q, k, v = qkv.view(len(x), -1, d).split((shape.heads, shape.kv_heads, shape.kv_heads), dim=1)
    q = F.rms_norm(q.float(), (d,), attention.q_norm.weight.float()[pairs], shape.epsilon)
    k = F.rms_norm(k.float(), (d,), attention.k_norm.weight.float()[pairs], shape.epsilon)
    return torch.cat([q.to(v.dtype), k.to(v.dtype), v], dim=1).view(len(x), -1)


def _mlp(x: Tensor, block: Any, shape: lean.Shape, numbers: Numbers) -> Tensor:
    mlp, dtype = block.mlp, numbers.dtype
    weights = map(weight_of, (mlp.gate_proj, mlp.up_proj))
    gate_up, again = stacked(block.post_attention_layernorm.weight, None, dtype, *weights)
    normed = norm(x, shape.epsilon, dtype)
    out: Tensor = gated_mlp(normed, gate_up, weight_of(mlp.down_proj).to(dtype), numbers.rounded, again)
    return out
