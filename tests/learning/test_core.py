"""The optimizer core: float32 masters, the guard, and what a resumed run starts from."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import nn

from ponder.learning.core import Core
from ponder.learning.settings import TrainerSettings
from ponder.types import PonderError


def linear(dtype: torch.dtype) -> nn.Parameter:
    torch.manual_seed(0)
    return nn.Parameter(torch.randn(64, 64).to(dtype))


def core(parameter: nn.Parameter, **options: Any) -> Core:
    settings: dict[str, Any] = {"learning_rate": 1e-6, "warmup_steps": 0, "max_grad_norm": 1e9, **options}
    return Core({"w": parameter}, TrainerSettings(**settings))


def moved(dtype: torch.dtype, steps: int = 50, masters: bool = True) -> tuple[torch.Tensor, torch.Tensor]:
    """How far the weights the optimizer owns, and those of the model, went under the same gradient each step."""
    gradient = torch.randn(64, 64, generator=torch.Generator().manual_seed(1))
    parameter = linear(dtype)
    start = parameter.detach().float().clone()
    if not masters:
        optimizer = torch.optim.AdamW([parameter], lr=1e-6, betas=(0.9, 0.95), weight_decay=0.0)
        for _ in range(steps):
            parameter.grad = gradient.to(dtype)
            optimizer.step()
        return (parameter.detach().float() - start,) * 2
    made = core(parameter)

    def backward(_: int) -> float:
        parameter.grad = gradient.to(parameter.dtype)
        return 0.0

    for _ in range(steps):
        assert made.step([0], backward).skipped is None
    return made.masters["w"].detach().float() - start, parameter.detach().float() - start


def test_masters_of_a_bfloat16_model_move_as_a_float32_model_does_and_without_them_almost_nothing_moves():
    plain, _ = moved(torch.float32)
    master, _ = moved(torch.bfloat16)
    lost, _ = moved(torch.bfloat16, masters=False)
    assert float(master.abs().mean() / plain.abs().mean()) == pytest.approx(1.0, abs=0.05)
    assert float(lost.abs().mean() / plain.abs().mean()) < 0.1


def test_the_model_gets_the_masters_rounded():
    parameter = linear(torch.bfloat16)
    made = core(parameter, learning_rate=0.1)

    def backward(_: int) -> float:
        parameter.grad = torch.ones_like(parameter)
        return 0.0

    made.step([0, 1], backward)
    assert torch.equal(parameter, made.masters["w"].to(torch.bfloat16))
    assert not torch.equal(made.masters["w"], made.masters["w"].to(torch.bfloat16).float())


def test_gradients_of_micro_batches_are_added_up_in_float32():
    parameter = nn.Parameter(torch.zeros(1, dtype=torch.bfloat16))
    made = core(parameter)

    def backward(part: float) -> float:
        parameter.grad = torch.tensor([part], dtype=torch.bfloat16)
        return 0.0

    made.step([1.0] + [2.0**-9] * 4, backward)  # bfloat16 would drop each of the small ones
    assert made.masters["w"].grad is not None
    assert made.masters["w"].grad.item() == 1.0 + 4 * 2.0**-9


def test_a_step_with_a_loss_or_gradient_that_is_not_finite_changes_nothing():
    parameter = linear(torch.float32)
    made, before = core(parameter, learning_rate=0.1), parameter.detach().clone()

    def backward(value: float) -> float:
        parameter.grad = torch.full_like(parameter, value)
        return 0.0 if math.isinf(value) else math.nan

    assert made.step([math.inf], backward).skipped == "gradient is not finite"
    assert made.step([1.0], backward).skipped == "loss is not finite"
    assert torch.equal(parameter, before)
    assert (made.steps, parameter.grad) == (0, None)


def test_skips_in_a_row_end_in_an_error_that_names_the_samples():
    made = core(linear(torch.float32), max_skips=2)
    made.skip("loss is not finite", ["a"])
    with pytest.raises(PonderError, match=r"2 steps in a row were skipped, .* loss is not finite \(samples b\)"):
        made.skip("loss is not finite", ["b"])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_resumed_core_goes_on_bit_equal(dtype: torch.dtype):
    def run(made: Core, parameter: nn.Parameter, seeds: range) -> None:
        for seed in seeds:
            gradient = torch.randn(64, 64, generator=torch.Generator().manual_seed(seed))

            def backward(_: int, gradient: torch.Tensor = gradient) -> float:
                parameter.grad = gradient.to(parameter.dtype)
                return 0.0

            made.step([0], backward)

    straight, first, second = linear(dtype), linear(dtype), linear(dtype)
    whole, half, rest = core(straight), core(first), core(second)
    run(whole, straight, range(6))
    run(half, first, range(3))
    second.data.copy_(first.data)
    rest.load({name: t.clone() for name, t in half.tensors().items()}, half.counters())
    run(rest, second, range(3, 6))
    assert torch.equal(straight, second)
    assert torch.equal(whole.masters["w"], rest.masters["w"])
