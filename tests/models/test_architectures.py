"""The tiny models of every architecture are what they say: they save, load, differ by seed and are not uniform."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ponder.models.load import load
from tests.models.architectures import ARCHITECTURES, BEGIN, END, PAD, folder, make, tokenizer


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_folder_loads_as_the_module_that_was_made(name: str, tmp_path: Path):
    loaded = load(str(folder(name, tmp_path)))
    ids = torch.tensor([loaded.tokenizer.encode("the 12 ants")])
    with torch.inference_mode():
        expected, got = make(name)(ids).logits, loaded.model(ids).logits
    torch.testing.assert_close(got, expected)
    assert loaded.model.config.model_type.startswith(name.split("_")[0])


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_seeds_give_other_weights_and_predictions_depend_on_more_than_the_last_token(name: str):
    ids = torch.tensor([[9, 20, 30, 40], [50, 20, 30, 40]])
    with torch.inference_mode():
        one, other = make(name)(ids).logits[:, -1], make(name, seed=1)(ids).logits[:, -1]
    assert (one - other).abs().max() > 0.1
    assert (one[0] - one[1]).abs().max() > 0.05
    assert one.log_softmax(-1).std() > 0.3


def test_the_tokenizer_gives_back_every_text_and_knows_its_marks():
    codec = tokenizer()
    text = "<think>\nthe 12 ünder 日本</think>"
    ids = codec.encode(text)
    assert codec.decode(ids) == text
    assert len(ids) < len(text.encode())
    assert [codec.pad_token_id, codec.bos_token_id, codec.eos_token_id] == [PAD, BEGIN, END]
    chat = codec.apply_chat_template([{"role": "user", "content": "hi"}], add_generation_prompt=True, tokenize=False)
    assert chat == "<|begin|><|user|>hi<|end|><|assistant|>"
