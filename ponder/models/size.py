"""How large a model is and how much work one token costs."""

from __future__ import annotations

from transformers import PretrainedConfig, PreTrainedModel


def parameters(model: PreTrainedModel) -> int:
    """Number of parameters, tied ones once."""
    return sum(parameter.numel() for parameter in model.parameters())


def flops_per_token(config: PretrainedConfig, context: int) -> float:
    """Floating-point operations of one token's forward pass with `context` tokens before it (itself included).

    2 for each weight of a matrix product (q, k, v, output, gate, up, down, the output head; the embedding is a look-up
    and costs nothing), plus 4 * heads * head_dim * context a layer for attention's two products. A backward pass costs
    twice a forward. A config without these names is taken for a plain decoder with a two-matrix MLP four times wide.
    """
    hidden = config.hidden_size
    heads = config.num_attention_heads
    kv_heads = getattr(config, "num_key_value_heads", None) or heads
    head_dim = getattr(config, "head_dim", None) or hidden // heads
    attention = hidden * head_dim * (2 * heads + 2 * kv_heads)
    inner = getattr(config, "intermediate_size", None)
    mlp = 3 * hidden * inner if inner else 8 * hidden * hidden
    layers = config.num_hidden_layers
    weights = layers * (attention + mlp) + hidden * config.vocab_size
    return float(2 * weights + 4 * layers * heads * head_dim * context)
