"""A shallower model is the first layers of the whole one, saved and loaded like any other."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    AutoModelForTokenClassification,
    GPT2Config,
    GPT2ForTokenClassification,
    LlamaConfig,
    LlamaForTokenClassification,
    Qwen3Config,
    Qwen3ForTokenClassification,
)

from ponder.models.depth import shallower
from ponder.types import PonderError

SIZES: dict[str, Any] = {
    "vocab_size": 40,
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_attention_heads": 2,
    "num_labels": 2,
}
LLAMA: Any = LlamaForTokenClassification(LlamaConfig(num_hidden_layers=4, num_key_value_heads=2, **SIZES))
QWEN: Any = Qwen3ForTokenClassification(Qwen3Config(num_hidden_layers=5, num_key_value_heads=2, head_dim=8, **SIZES))


@pytest.mark.parametrize(("model", "share", "layers"), [(LLAMA, 0.5, 2), (QWEN, 0.4, 2), (QWEN, 0.01, 1)])
def test_the_first_layers_stay_and_the_folder_loads_back(model: Any, share: float, layers: int, tmp_path: Path) -> None:
    whole = type(model)(type(model.config)(**model.config.to_dict()))
    cut: Any = shallower(whole, share).eval()
    assert len(cut.base_model.layers) == cut.config.num_hidden_layers == layers
    cut.save_pretrained(tmp_path)
    loaded = AutoModelForTokenClassification.from_pretrained(tmp_path).eval()
    ids = torch.tensor([[3, 1, 4, 1, 5]])
    assert torch.equal(loaded(ids).logits, cut(ids).logits)


def test_all_layers_are_the_model_itself() -> None:
    whole: Any = shallower(LLAMA, 1.0)
    assert whole is LLAMA
    assert len(whole.base_model.layers) == 4


def test_an_unknown_stack_and_an_impossible_share_are_refused() -> None:
    other = GPT2ForTokenClassification(GPT2Config(vocab_size=40, n_embd=16, n_layer=2, n_head=2))
    with pytest.raises(PonderError, match=r"verifier\.depth=1"):
        shallower(other, 0.5)
    with pytest.raises(PonderError, match="above 0"):
        shallower(other, 0.0)
