from __future__ import annotations

import pytest
import torch
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from ponder.models import lean

FAMILIES = [(LlamaConfig, LlamaForCausalLM), (Qwen2Config, Qwen2ForCausalLM), (Qwen3Config, Qwen3ForCausalLM)]


def build(family, **changes) -> PreTrainedModel:
    make_config, make_model = family
    torch.manual_seed(0)
    sizes = {
        "vocab_size": 40,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 64,
        "initializer_range": 0.3,
    }
    model: PreTrainedModel = make_model(make_config(**{**sizes, **changes})).eval()
    for parameter in model.parameters():  # biases and norms too, which start as zeros and ones
        parameter.data += 0.1 * torch.randn_like(parameter)
    return model


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("changes", [{}, {"num_key_value_heads": 4}, {"head_dim": 16}])
def test_values_and_gradients_are_the_librarys(family, tied: bool, changes: dict[str, int]):
    model = build(family, tie_word_embeddings=tied, **changes)
    assert lean.supports(model)
    ids = torch.randint(0, 40, (3, 11))
    target = torch.randn(3, 11, 40)

    library = model(ids, use_cache=False).logits
    (library * target).sum().backward()
    expected = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    ours = model.get_output_embeddings()(lean.hidden_states(model, ids))
    (ours * target).sum().backward()

    torch.testing.assert_close(ours, library, atol=1e-4, rtol=1e-4)
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter.grad, expected[name], atol=1e-3, rtol=1e-3)


def test_right_padding_does_not_reach_what_stands_before_it():
    model = build(FAMILIES[0])
    ids = torch.randint(1, 40, (1, 6))
    padded = torch.cat([ids, torch.zeros(1, 5, dtype=torch.long)], dim=1)
    alone, beside = lean.hidden_states(model, ids), lean.hidden_states(model, padded)
    torch.testing.assert_close(alone, beside[:, :6], atol=1e-5, rtol=1e-5)


def test_what_it_does_not_compute_exactly_it_does_not_support():
    assert not lean.supports(GPT2LMHeadModel(GPT2Config(vocab_size=40, n_embd=16, n_layer=1, n_head=2)))
    assert not lean.supports(build(FAMILIES[0], hidden_act="gelu"))
    assert not lean.supports(build(FAMILIES[0], mlp_bias=True))
    assert not lean.supports(build(FAMILIES[0], attention_bias=True))  # its output projection has a bias too
    scaled = {"rope_type": "linear", "factor": 2.0, "rope_theta": 10_000.0}
    assert not lean.supports(build(FAMILIES[0], rope_parameters=scaled))
    assert not lean.supports(build(FAMILIES[1], use_sliding_window=True, sliding_window=4, max_window_layers=0))
