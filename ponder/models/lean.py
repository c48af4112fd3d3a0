"""A lean forward for the standard decoder family: Llama, Qwen2 and Qwen3 folders as transformers loads them.

RMSNorm, rotary positions, grouped-query attention and SwiGLU are the whole architecture, yet the library's own forward
spends more than half of a small model's time outside its matrix products. Here the same parameters (they stay in the
transformers module, which loads, saves and owns them) go through fused calls: one product for q, k and v, one for the
gate and up projections, `rms_norm` and scaled dot-product attention from torch. Parity with the library's forward is
tested to 1e-4; any other architecture takes the library's forward.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedModel

from ponder.models.pictures import pictures_of

_FAMILY = ("llama", "qwen2", "qwen3")


def supports(model: PreTrainedModel) -> bool:
    """Whether the lean forward computes exactly what this model's own forward does."""
    config = model.config
    if config.model_type not in _FAMILY or getattr(config, "hidden_act", "") != "silu":
        return False
    rope = getattr(config, "rope_parameters", None) or {}
    if pictures_of(model) is not None:
        return False
    plain_rope = rope.get("rope_type", "default") == "default"
    # Windows and biases beyond those of q, k and v are left out (attention_bias gives the output projection one too).
    extras = ("use_sliding_window", "mlp_bias", "attention_bias")
    return plain_rope and not any(getattr(config, name, False) for name in extras)


@dataclass(frozen=True)
class Layer:
    """One decoder layer's weights, projections that read the same input stacked. Rebuilt after every update."""

    norm_in: Tensor
    qkv: Tensor
    qkv_bias: Tensor | None
    q_norm: Tensor | None
    k_norm: Tensor | None
    out: Tensor
    norm_mid: Tensor
    gate_up: Tensor
    down: Tensor


@dataclass(frozen=True)
class Shape:
    """The sizes that the forward needs: heads H, key-value heads K, head dimension D, and the norm's epsilon."""

    heads: int
    kv_heads: int
    head_dim: int
    epsilon: float

    @staticmethod
    def of(model: PreTrainedModel) -> Shape:
        c = model.config
        head_dim = getattr(c, "head_dim", None) or c.hidden_size // c.num_attention_heads
        return Shape(c.num_attention_heads, c.num_key_value_heads, head_dim, c.rms_norm_eps)


def layers(model: PreTrainedModel) -> list[Layer]:
    """The weights of each layer in the order of the forward; gradients flow back into the module's parameters."""
    return [layer(model, index) for index in range(model.config.num_hidden_layers)]


def layer(model: PreTrainedModel, index: int) -> Layer:
    """The weights of one layer. What is stacked is a copy."""
    block = _decoder(model).layers[index]
    attention, mlp = block.self_attn, block.mlp
    projections = (attention.q_proj, attention.k_proj, attention.v_proj)
    return Layer(
        norm_in=block.input_layernorm.weight,
        qkv=torch.cat([p.weight for p in projections]),
        qkv_bias=None if projections[0].bias is None else torch.cat([p.bias for p in projections]),
        q_norm=_weight(attention, "q_norm"),
        k_norm=_weight(attention, "k_norm"),
        out=attention.o_proj.weight,
        norm_mid=block.post_attention_layernorm.weight,
        gate_up=torch.cat([mlp.gate_proj.weight, mlp.up_proj.weight]),
        down=mlp.down_proj.weight,
    )


def _decoder(model: PreTrainedModel) -> Any:
    """The decoder stack; its attributes are those of the supported families, which the library's types do not show."""
    return model.base_model


def _weight(module: nn.Module, name: str) -> Tensor | None:
    child = getattr(module, name, None)
    return None if child is None else child.weight


def rotary(model: PreTrainedModel, length: int, device: torch.device | None = None) -> tuple[Tensor, Tensor]:
    """Cosine and sine tables [length, D] for positions 0 to length-1, in float32."""
    frequencies: Tensor = _decoder(model).rotary_emb.inv_freq.float().to(device)
    angles_TD = torch.outer(torch.arange(length, device=frequencies.device).float(), frequencies).repeat(1, 2)
    return angles_TD.cos(), angles_TD.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary position embedding on the last dimension (half-split form)."""
    half = x.shape[-1] // 2
    swapped = torch.cat((-x[..., half:], x[..., :half]), dim=-1)
    return torch.addcmul(x * cos, swapped, sin)


def project(x: Tensor, layer: Layer, shape: Shape) -> tuple[Tensor, Tensor, Tensor]:
    """Normalised input [B, T, hidden] to q [B, T, H, D], k and v [B, T, K, D]; positions not yet applied."""
    h = F.rms_norm(x, x.shape[-1:], layer.norm_in, shape.epsilon)
    fused = F.linear(h, layer.qkv, layer.qkv_bias).unflatten(-1, (-1, shape.head_dim))
    q, k, v = fused.split((shape.heads, shape.kv_heads, shape.kv_heads), dim=-2)
    if layer.q_norm is not None and layer.k_norm is not None:
        q = F.rms_norm(q, (shape.head_dim,), layer.q_norm, shape.epsilon)
        k = F.rms_norm(k, (shape.head_dim,), layer.k_norm, shape.epsilon)
    return q, k, v


def finish(x: Tensor, attended: Tensor, layer: Layer, shape: Shape) -> Tensor:
    """Residual after attention ([B, T, H*D]) and the SwiGLU block."""
    x = x + F.linear(attended, layer.out)
    h = F.rms_norm(x, x.shape[-1:], layer.norm_mid, shape.epsilon)
    gate, up = F.linear(h, layer.gate_up).chunk(2, dim=-1)
    return x + F.linear(F.silu(gate) * up, layer.down)


def hidden_states(model: PreTrainedModel, ids_BT: Tensor) -> Tensor:
    """Final hidden states [B, T, hidden] of right-padded rows (causal attention needs no padding mask)."""
    shape = Shape.of(model)
    cos, sin = rotary(model, ids_BT.shape[1])
    cos, sin = cos.to(model.dtype)[:, None], sin.to(model.dtype)[:, None]
    embedding = _decoder(model).embed_tokens
    x = F.embedding(ids_BT, embedding.weight, embedding.padding_idx)
    grouped = shape.heads != shape.kv_heads
    for layer in layers(model):
        q, k, v = project(x, layer, shape)
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        attended = F.scaled_dot_product_attention(
            q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), is_causal=True, enable_gqa=grouped
        )
        x = finish(x, attended.transpose(1, 2).flatten(2), layer, shape)
    return F.rms_norm(x, x.shape[-1:], _decoder(model).norm.weight, shape.epsilon)
