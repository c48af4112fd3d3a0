"""Memory and disk of a run from the shapes of its model: every copy by name, the largest stage, the files it leaves.

The model is built without weights (torch's meta device), so the numbers are those of its own architecture. Three
stages are looked at, for each holds other things: training, the control arm (a second trainer), and measuring (the
engine has weights of its own, the optimizer is still there).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

import torch
from torch import nn
from transformers import AutoModelForCausalLM, PretrainedConfig, PreTrainedModel

from ponder.engines.settings import LocalSettings
from ponder.learning.backends.choose import backend_for
from ponder.learning.packed.layout import Group, Row
from ponder.learning.prediction import Cost
from ponder.models import lean
from ponder.models.load import config_of
from ponder.selfplay.config import Run
from ponder.selfplay.needs import needs_critic
from ponder.types import Sample

PROCESS = 0.7e9  # bytes of the interpreter with torch and transformers loaded, on Linux; 0.6 to 0.8 GB were measured
PROMPT = 128  # tokens of a prompt, which are not known before problems are drawn
_ADAM = 8  # bytes a parameter of AdamW's two moments
_GRADIENT = 4


@cache
def skeleton(name: str, dtype: torch.dtype = torch.float32) -> PreTrainedModel:
    """The model `name` without weights."""
    return skeleton_of(config_of(name), dtype)


def skeleton_of(config: PretrainedConfig, dtype: torch.dtype = torch.float32) -> PreTrainedModel:
    """A model of this configuration without weights."""
    with torch.device("meta"):
        model: PreTrainedModel = AutoModelForCausalLM.from_config(config, dtype=dtype, trust_remote_code=False)
    model.eval()
    return model


def dtype_on(device: str) -> torch.dtype:
    """The type that models are trained in on a device (`api.policies.load_policy`)."""
    return torch.float32 if device == "cpu" else torch.bfloat16


@dataclass(frozen=True)
class Memory:
    """Bytes by name. `training`, `control` and `measuring` are what each stage holds; `disk` what is written."""

    parts: dict[str, float]
    stages: dict[str, float]
    disk: dict[str, float] = field(default_factory=dict)

    @property
    def peak(self) -> float:
        """Of the stage that needs most."""
        return max(self.stages.values())

    @property
    def stage(self) -> str:
        """The name of that stage."""
        return max(self.stages, key=lambda name: self.stages[name])

    @property
    def written(self) -> float:
        """Bytes on the disk at the most."""
        return sum(self.disk.values())


def memory(config: Run, model: PreTrainedModel) -> Memory:
    """What a run with these settings holds on the device that trains, and writes."""
    count = float(sum(p.numel() for p in model.parameters()))
    item = dtype_on(config.device).itemsize
    learning = _adapters(model, config.trainer.lora_rank) if config.trainer.lora_rank else count
    masters = learning * (0 if item == 4 else 4)
    optimizer = learning * (_GRADIENT + _ADAM) + masters
    local = isinstance(config.engine, LocalSettings)
    weights, lower = count * item, _verifier(config, model)
    parts = {
        "process": PROCESS if config.device == "cpu" else 0.0,
        "weights": weights + (learning * item if config.trainer.lora_rank else 0.0),
        "start kept for comparison": weights,
        "optimizer and gradients": optimizer,
        "activations of a micro-batch": _activations(config, model),
        "keys and values": _cache(config, model, item),
        "engine's own weights": 0.0 if _shares(config) else weights,
        "weights laid out for sampling": weights if local and lean.supports(model) else 0.0,
        "reference of the KL penalty": weights if config.loss.kl_coef > 0 and not config.trainer.lora_rank else 0.0,
        "verifier": lower * (item + _GRADIENT + _ADAM + (0 if item == 4 else 4)),
        "critic": count * (item + _GRADIENT + _ADAM + (0 if item == 4 else 4)) if needs_critic(config) else 0.0,
    }
    training = sum(parts.values())
    after = training - parts["activations of a micro-batch"] + (weights if local and _shares(config) else 0.0)
    stages = {"training": training, "measuring": after}
    if config.control.enabled or config.control.rejection:
        stages["control"] = after + weights + optimizer + parts["activations of a micro-batch"]
    return Memory(parts, stages, _disk(config, count, item, learning, lower))


def _shares(config: Run) -> bool:
    return isinstance(config.engine, LocalSettings) and config.engine.share_weights


def _disk(config: Run, count: float, item: int, learning: float, lower: float) -> dict[str, float]:
    adapters = learning * item if config.trainer.lora_rank else 0.0
    learner = learning * (_ADAM + (0 if item == 4 else 4))
    # The policy as a model folder (with adapters also the trainer's tensors), the optimizer, the verifier with its own.
    # One more than stay is there while it is written; the best stays besides the last ones.
    policies = 2 if config.trainer.lora_rank else 1
    monitors = config.monitors
    best = monitors.enabled and (monitors.export != "last" or "decline" in monitors.rollback)
    checkpoint = policies * count * item + adapters + learner + lower * (4 + _ADAM)
    return {
        "checkpoints": (config.keep_checkpoints + 1 + best) * checkpoint,
        "policies of the rounds": config.rounds * count * item if config.keep_policies else 0.0,
        "model and verifier": count * item + lower * item,
    }


def _verifier(config: Run, model: PreTrainedModel) -> float:
    """Parameters of the verifier: embedding, the first layers, norm; none if it is switched off."""
    if not config.verifier.enabled:
        return 0.0
    embedding = float(sum(p.numel() for p in model.get_input_embeddings().parameters()))
    layers = float(sum(p.numel() for name, p in model.named_parameters() if ".layers." in name or ".h." in name))
    return embedding + config.verifier.depth * layers


def _adapters(model: PreTrainedModel, rank: int) -> float:
    """Parameters of adapters of this rank on every linear layer of the decoder."""
    linear = [m for m in model.base_model.modules() if isinstance(m, nn.Linear)]
    return float(sum(rank * (m.in_features + m.out_features) for m in linear))


def _activations(config: Run, model: PreTrainedModel) -> float:
    """What the backward pass needs of the largest micro-batch: answers of full length, up to `micro_tokens`."""
    t, s = config.trainer, config.sampling
    # A model without weights is not made ready for checkpointing or flex attention; rows are what both compute.
    unready = {"gradient_checkpointing": False, "backend": "module" if config.device != "cpu" else t.backend}
    backend = backend_for(model, t.model_copy(update=unready))
    mask = (1.0,) * s.max_tokens
    row = Row(Sample("forecast", (0,) * PROMPT, (0,) * s.max_tokens, mask, mask), 1.0)
    together = s.group_size if backend.shares else 1
    group = PROMPT + together * s.max_tokens
    left = min(s.group_size * s.problems, max(1, together * t.micro_tokens // group))
    groups = [Group((row,) * min(together, left - i)) for i in range(0, left, together)]
    cost = Cost(model, backend, False, t.gradient_checkpointing)
    return float(cost.bytes(groups) - cost.fixed)


def _cache(config: Run, model: PreTrainedModel, item: int) -> float:
    """Keys and values: what the answers of one update need, at most `engine.cache_mb`."""
    if not isinstance(config.engine, LocalSettings):
        return 0.0
    c = model.config
    heads = getattr(c, "num_key_value_heads", None) or c.num_attention_heads
    d = getattr(c, "head_dim", None) or c.hidden_size // c.num_attention_heads
    token = 2 * c.num_hidden_layers * heads * d * item
    rows = min(config.sampling.group_size * config.sampling.problems, config.engine.max_batch or 256)
    wanted = token * (rows * config.sampling.max_tokens + config.sampling.problems * PROMPT)
    return float(min(config.engine.cache_mb * 2**20, wanted))
