"""Weights that a checkpoint holds once: out of the model folder come the parameters that learn, bit by bit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ponder.models.load import save
from ponder.selfplay.state import _of_folder
from tests.engines.factory import model
from tests.learning.factory import tokenizer


@pytest.mark.parametrize("tied", [True, False])
def test_parameters_come_out_of_the_model_folder_as_they_went_in(tied: bool, tmp_path: Path) -> None:
    lm = model("qwen2", tied=tied)
    save(lm, tokenizer(), tmp_path / "policy")
    found = _of_folder(tmp_path / "policy", model("qwen2", tied=tied, seed=1))
    own = dict(lm.named_parameters())
    assert found.keys() == own.keys() and ("lm_head.weight" in own) is not tied
    assert all(torch.equal(found[name], tensor) for name, tensor in own.items())
