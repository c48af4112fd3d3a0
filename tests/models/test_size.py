from __future__ import annotations

from transformers import GPT2Config, LlamaConfig

from ponder.models.size import flops_per_token, parameters
from tests.learning.factory import model


def test_operations_of_a_small_llama_counted_by_hand():
    config = LlamaConfig(
        vocab_size=10,
        hidden_size=8,
        intermediate_size=6,
        num_hidden_layers=3,
        num_attention_heads=2,
        num_key_value_heads=1,
    )
    # A layer: q 8x8, k and v 8x4 each, output 8x8, three 8x6; the head 8x10; attention 4 * 2 heads * 4 wide * context.
    weights = 3 * (64 + 32 + 32 + 64 + 3 * 48) + 80
    assert flops_per_token(config, 0) == 2 * weights
    assert flops_per_token(config, 5) == 2 * weights + 3 * 4 * 2 * 4 * 5


def test_a_config_without_an_inner_size_counts_two_matrices_four_times_wide():
    config = GPT2Config(vocab_size=10, n_embd=8, n_layer=1, n_head=2)
    assert flops_per_token(config, 0) == 2 * (4 * 64 + 8 * 64 + 80)


def test_tied_parameters_count_once():
    assert parameters(model()) - parameters(model(tied=True)) == 32 * 16
