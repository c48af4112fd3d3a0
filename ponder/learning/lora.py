"""Low-rank adapters (LoRA, arXiv 2106.09685) through peft: W + (alpha / rank) B A, only A and B learn.

peft is asked to put its matrices into the model's own linear layers, so the model stays an ordinary transformers one.
B starts at zero: before the first step the model is the base. `merged` gives the weights under the base's own names,
which is what engines and checkpoints of the policy want. Left out: dropout (the sampler has none), biases, DoRA.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from ponder.names import install
from ponder.types import PonderError

_NAME = "default"


def adapt(model: PreTrainedModel, rank: int, alpha: int, seed: int) -> None:
    """Freeze `model` and put adapters of `rank` on every linear layer of its decoder, in place. Needs extra `peft`."""
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        raise PonderError(f"trainer.lora_rank needs peft; {install('peft')}") from error
    base = model.base_model
    targets = [name for name, module in base.named_modules() if isinstance(module, nn.Linear)]
    config = LoraConfig(r=rank, lora_alpha=alpha, lora_dropout=0.0, target_modules=targets, bias="none")
    model.requires_grad_(False)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        inject_adapter_in_model(config, base, adapter_name=_NAME)


def adapted(module: nn.Module) -> bool:
    return hasattr(module, "lora_A") and _NAME in getattr(module, "lora_A", {})


def weight_of(module: Any) -> Tensor:
    """A linear layer's weight [out, in], its adapter added if it has one; gradients flow into what learns."""
    if not adapted(module):
        weight: Tensor = module.weight
        return weight
    low = module.lora_B[_NAME].weight @ module.lora_A[_NAME].weight
    return torch.add(module.base_layer.weight, low, alpha=module.scaling[_NAME])


@contextmanager
def without(model: PreTrainedModel) -> Iterator[None]:
    """Inside, `model` computes as its base does: the start of the training, without a copy of the weights."""
    modules: list[Any] = [module for module in model.modules() if adapted(module)]
    before = [module.scaling[_NAME] for module in modules]
    try:
        for module in modules:
            module.scaling[_NAME] = 0.0
        yield
    finally:
        for module, scale in zip(modules, before, strict=True):
            module.scaling[_NAME] = scale


@torch.no_grad()
def merged(model: PreTrainedModel) -> dict[str, Tensor]:
    """`model.state_dict()` as it would be without adapters, their part added to the weights they stand on."""
    adapters = {name: module for name, module in model.named_modules() if adapted(module)}
    out: dict[str, Tensor] = {}
    for name, tensor in model.state_dict().items():
        owner, _, rest = name.partition(".base_layer.")
        if rest:
            out[f"{owner}.{rest}"] = weight_of(adapters[owner]) if rest == "weight" else tensor
        elif not any(part in name for part in (".lora_A.", ".lora_B.")):
            out[name] = tensor
    return out
