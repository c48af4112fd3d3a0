from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import pytest
import torch

from ponder.learning.checkpoints.checkpoints import Checkpoints
from ponder.learning.policy import PolicyTrainer
from ponder.learning.samples import demonstration
from ponder.losses.clipped import Clipped
from ponder.losses.cloning import Cloning
from ponder.losses.loss import Loss
from ponder.models.load import load
from ponder.types import PonderError
from tests.learning.factory import model, samples, tokenizer, trainer


def adapters(loss: Loss | None = None, **options: Any) -> PolicyTrainer:
    return trainer(model(), loss, **{"max_grad_norm": 1.0, "lora_rank": 2, "lora_alpha": 8, **options})


def test_without_peft_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    real = builtins.__import__

    def refuse(name, *args, **options):
        if name == "peft":
            raise ImportError(name)
        return real(name, *args, **options)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(PonderError, match=r"pip install -e '\.\[peft\]'"):
        adapters()


class TestWithPeft:
    @pytest.fixture(autouse=True)
    def _needs_peft(self):
        pytest.importorskip("peft")

    def test_before_the_first_step_the_weights_are_those_of_the_base(self):
        base, learner = model(), adapters()
        state = base.state_dict()
        assert learner.weights().keys() == state.keys()
        assert all(torch.equal(tensor, state[name]) for name, tensor in learner.weights().items())

    def test_only_adapters_learn_and_the_merged_weights_say_what_the_adapted_model_says(self):
        learner, base = adapters(), model().state_dict()
        for seed in range(3):
            assert learner.update(samples(4, seed=seed)).skipped is None
        plain = model(seed=9)
        plain.load_state_dict(learner.weights())
        ids = torch.tensor([[3, 4, 5, 6, 7]])
        torch.testing.assert_close(plain(ids).logits, learner.model(ids).logits, atol=1e-5, rtol=1e-5)
        changed = {name for name, tensor in learner.weights().items() if not torch.equal(tensor, base[name])}
        assert changed == {name for name in base if "proj" in name}
        for name, tensor in learner.weights().items():
            assert torch.linalg.matrix_rank(tensor - base[name]) <= 2 if name in changed else True

    @pytest.mark.parametrize("precision", ["model", "bfloat16"])
    def test_the_gradient_is_that_of_the_adapted_model(self, precision):
        learner = adapters(Cloning(), lora_alpha=16, max_grad_norm=1e9, precision=precision)
        for name, parameter in learner.model.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(parameter, std=0.1)
        row = demonstration("d", samples(1)[0].prompt, samples(1)[0].response)
        ids = torch.tensor([[*row.prompt, *row.response]])
        places = range(len(row.prompt) - 1, ids.shape[1] - 1)
        logprobs = learner.model(ids).logits[0].log_softmax(-1)[list(places), list(row.response)]
        loss = -(logprobs * torch.tensor(row.mask_T)).sum() / sum(row.mask_T)
        expected = torch.autograd.grad(loss, list(learner.core.parameters.values()))
        report = learner.update([row])
        exact = precision == "model"
        assert report.loss == pytest.approx(float(loss.detach()), abs=1e-5 if exact else 0.05)
        for parameter, value in zip(learner.core.parameters.values(), expected, strict=True):
            assert parameter.grad is not None
            assert float((parameter.grad - value).norm() / value.norm()) < (1e-4 if exact else 0.2)

    def test_a_resumed_run_of_adapters_ends_bit_equal(self):
        straight, first = adapters(), adapters()
        for seed in range(4):
            straight.update(samples(4, seed=seed))
        for seed in range(2):
            first.update(samples(4, seed=seed))
        second = adapters()
        second.load_state(first.state())
        for seed in range(2, 4):
            second.update(samples(4, seed=seed))
        assert all(torch.equal(t, second.weights()[name]) for name, t in straight.weights().items())

    def test_a_checkpoint_holds_an_ordinary_model_with_the_adapters_merged(self, tmp_path: Path):
        learner = adapters()
        learner.update(samples(4))
        checkpoints = Checkpoints(tmp_path)
        checkpoints.save(0, learner.model, tokenizer(), tensors={}, state={}, weights=learner.weights())
        found = checkpoints.load_latest(learner.model).saved
        assert found is not None
        stored = load(str(found.policy)).model.state_dict()
        assert stored.keys() == learner.weights().keys()
        assert all(torch.equal(tensor, stored[name]) for name, tensor in learner.weights().items())

    def test_the_base_without_its_adapters_is_the_reference_of_the_pull(self):
        pulled = adapters(Clipped(kl_coef=1.0))
        first = pulled.update(samples(4))
        assert first.metrics["kl_reference"] == pytest.approx(0.0, abs=1e-6)
        assert pulled.update(samples(4)).metrics["kl_reference"] > 1e-6
        assert not [name for name in pulled.state().tensors if name.startswith("reference.")]
