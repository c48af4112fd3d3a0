"""How large a model is and how much work one token costs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from transformers import PretrainedConfig, PreTrainedModel


def parameters(model: PreTrainedModel) -> int:
    """Number of parameters, tied ones once."""
    return sum(parameter.numel() for parameter in model.parameters())


@dataclass(frozen=True)
class Rates:
    """Floating-point operations of a forward pass.

    `trunk` a token, `attention` a token and each token it looks at (itself included), `head` a row of logits.
    """

    trunk: float
    attention: float
    head: float


def rates(config: PretrainedConfig) -> Rates:
    """2 for each weight of a matrix product, and 4 * heads * head_dim a layer for attention's two products.

    The products are q, k, v, output, gate, up, down and the output head; the embedding is a look-up and costs nothing.
    A config without these names is taken for a plain decoder with a two-matrix MLP four times wide.
    """
    hidden = config.hidden_size
    heads = config.num_attention_heads
    kv_heads = getattr(config, "num_key_value_heads", None) or heads
    head_dim = getattr(config, "head_dim", None) or hidden // heads
    attention = hidden * head_dim * (2 * heads + 2 * kv_heads)
    inner = getattr(config, "intermediate_size", None)
    mlp = 3 * hidden * inner if inner else 8 * hidden * hidden
    layers = config.num_hidden_layers
    return Rates(2.0 * layers * (attention + mlp), 4.0 * layers * heads * head_dim, 2.0 * hidden * config.vocab_size)


def flops_per_token(config: PretrainedConfig, context: int) -> float:
    """One token's forward pass, head included, with `context` tokens before it (itself included); see `rates`.

    A backward pass costs twice a forward.
    """
    r = rates(config)
    return r.trunk + r.attention * context + r.head


def forward_flops(config: PretrainedConfig, new: int, before: int = 0, heads: int | None = None) -> float:
    """`new` successive tokens after `before` known ones, exactly: causal attention looks at what is there.

    `heads` is for how many of them logits are computed (default: all).
    """
    r = rates(config)
    looks = new * before + new * (new + 1) / 2
    return r.trunk * new + r.attention * looks + r.head * (new if heads is None else heads)


def training_flops(config: PretrainedConfig, lengths: Iterable[int], heads: int | None = None) -> float:
    """Forward and backward of whole rows of these lengths; `heads` counts the logits of all rows together."""
    rows = list(lengths)
    forward = sum(forward_flops(config, length, heads=0) for length in rows)
    return 3.0 * (forward + rates(config).head * (sum(rows) if heads is None else heads))
