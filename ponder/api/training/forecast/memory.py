"""Memory and disk of a run from the shapes of its model: every copy by name, the largest stage, the files it leaves.

The model is built without weights (torch's meta device), so the numbers are those of its own architecture. Stages are
looked at one by one, for each holds other things: sampling, an update (the engine's copies are given back), the
verifier's update, measuring (the engine has weights of its own, the optimizer is gone) and a control arm (a second
trainer).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

import torch
from torch import nn
from transformers import AutoModelForCausalLM, PretrainedConfig, PreTrainedModel

from ponder.api.training.beginning import KEPT
from ponder.engines.settings import LocalSettings
from ponder.learning.backends.choose import backend_for
from ponder.learning.packed.layout import Group, Row
from ponder.learning.prediction import Cost
from ponder.models import lean
from ponder.models.load import config_of
from ponder.models.memory import for_caches
from ponder.selfplay.config import Run
from ponder.selfplay.measure import FRESH
from ponder.selfplay.needs import needs_critic
from ponder.selfplay.roles import MUCH
from ponder.types import Sample

PROCESS = 0.7e9  # bytes of the interpreter with torch and transformers loaded, on Linux; 0.6 to 0.8 GB were measured
PROMPT = 128  # tokens of a prompt where they cannot be counted (`prompts`)
READ = 2.0**28  # bytes of texts that a verifier's reader keeps (`engines.local.prefix.reader`)
_MOMENTS = 8  # bytes a parameter of AdamW's two
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
    """Bytes by name: what each stage holds, and what is written to the disk.

    Stages: sampling, training (an update), verifier (its update), measuring, control (an arm, if there is one).
    """

    held: dict[str, dict[str, float]]
    disk: dict[str, float] = field(default_factory=dict)

    @property
    def stages(self) -> dict[str, float]:
        """The sum of each stage."""
        return {name: sum(parts.values()) for name, parts in self.held.items()}

    @property
    def peak(self) -> float:
        """Of the stage that needs most."""
        return max(self.stages.values())

    @property
    def stage(self) -> str:
        """The name of that stage."""
        stages = self.stages
        return max(stages, key=lambda name: stages[name])

    @property
    def parts(self) -> dict[str, float]:
        """What that stage holds."""
        return self.held[self.stage]

    @property
    def written(self) -> float:
        """Bytes on the disk at the most."""
        return sum(self.disk.values())


def memory(config: Run, model: PreTrainedModel, prompt: int = PROMPT) -> Memory:
    """What a run with these settings holds on the device that trains, and writes; prompts have `prompt` tokens."""
    count = float(sum(p.numel() for p in model.parameters()))
    item = dtype_on(config.device).itemsize
    learning = _adapters(model, config.trainer.lora_rank) if config.trainer.lora_rank else count
    masters = 0 if item == 4 else 4
    local = isinstance(config.engine, LocalSettings)
    weights, lower = count * item, _verifier(config, model)
    critic = count if needs_critic(config) else 0.0
    laid, texts = weights if local and lean.supports(model) else 0.0, _texts(config, model, item, prompt)
    always = {
        "process": PROCESS if config.device == "cpu" else 0.0,
        "weights": weights + (learning * item if config.trainer.lora_rank else 0.0),
        "start kept for comparison": weights if weights <= KEPT else 0.0,
    }
    between = {
        **always,
        "moments of the optimizer": learning * (_MOMENTS + masters),
        "engine's own weights": 0.0 if _shares(config) else weights,
        "reference of the KL penalty": weights if config.loss.kl_coef > 0 and not config.trainer.lora_rank else 0.0,
        "verifier": lower * (item + _MOMENTS + masters),
        "critic": critic * (item + _MOMENTS + masters),
    }
    engine = {"weights laid out for sampling": laid, "keys and values": texts}
    update = {"gradients": learning * _GRADIENT, "activations of a micro-batch": _activations(config, model, prompt)}
    # An update has the memory of what the engine makes anew in any case, where that is much (`roles.Generator`).
    lent = {name: size if size < MUCH else 0.0 for name, size in engine.items()}
    held = {"sampling": between | engine, "training": between | lent | update}
    if lower:
        held["verifier"] = between | engine | {"verifier's gradients and activations": _fitting(config, model, lower)}
    asked = _measured_texts(config, model, item, prompt)
    after = {**always, "engine's own weights": weights, "weights laid out for sampling": laid, "keys and values": asked}
    held["measuring"] = after | {"start read again": weights - always["start kept for comparison"]}
    if lower:
        held["measuring"] |= {
            "verifier": lower * item,
            "verifier laid out and what it read": lower * item + min(READ, asked),
        }
    if config.control.enabled or config.control.rejection:
        arm = {"weights of the arm": weights, "moments of the optimizer": between["moments of the optimizer"]}
        held["control"] = after | arm | update | {"verifier": lower * item}
    return Memory(held, _disk(config, count, item, learning, lower))


def _shares(config: Run) -> bool:
    return isinstance(config.engine, LocalSettings) and config.engine.share_weights


def _disk(config: Run, count: float, item: int, learning: float, lower: float) -> dict[str, float]:
    adapters = learning * item if config.trainer.lora_rank else 0.0
    learner = learning * (_MOMENTS + (0 if item == 4 else 4))
    # The policy as a model folder (with adapters also the trainer's tensors), the optimizer, the verifier with its own.
    # One more than stay is there while it is written; the best stays besides the last ones.
    policies = 2 if config.trainer.lora_rank else 1
    monitors = config.monitors
    best = monitors.enabled and (monitors.export != "last" or "decline" in monitors.rollback)
    checkpoint = policies * count * item + adapters + learner + lower * (4 + _MOMENTS)
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


def _fitting(config: Run, model: PreTrainedModel, lower: float) -> float:
    """Of an update of the verifier: gradients, and what the largest padded micro-batch keeps in an ordinary forward."""
    c, t = model.config, config.verifier.trainer
    inner = getattr(c, "intermediate_size", None) or 4 * c.hidden_size
    layers = max(1, round(config.verifier.depth * c.num_hidden_layers))
    rows = min(t.micro_tokens, config.verifier.batch * (PROMPT + config.sampling.max_tokens))
    return float(lower * _GRADIENT + 4 * layers * rows * (10 * c.hidden_size + 4 * inner))


def _activations(config: Run, model: PreTrainedModel, prompt: int) -> float:
    """What the backward pass needs of the largest micro-batch: answers of full length, up to `micro_tokens`."""
    t, s = config.trainer, config.sampling
    # A model without weights is not made ready for checkpointing or flex attention; rows are what both compute.
    unready = {"gradient_checkpointing": False, "backend": "module" if config.device != "cpu" else t.backend}
    backend = backend_for(model, t.model_copy(update=unready))
    mask = (1.0,) * s.max_tokens
    row = Row(Sample("forecast", (0,) * prompt, (0,) * s.max_tokens, mask, mask), 1.0)
    together = s.group_size if backend.shares else 1
    group = prompt + together * s.max_tokens
    left = min(s.group_size * s.problems, max(1, together * t.micro_tokens // group))
    groups = [Group((row,) * min(together, left - i)) for i in range(0, left, together)]
    cost = Cost(model, backend, False, t.gradient_checkpointing)
    return float(cost.bytes(groups) - cost.fixed)


def _texts(config: Run, model: PreTrainedModel, item: int, prompt: int) -> float:
    """Keys and values while the answers of one update are drawn."""
    s = config.sampling
    return _cache(config, model, item, s.problems * prompt, s.group_size * s.problems, prompt)


def _measured_texts(config: Run, model: PreTrainedModel, item: int, prompt: int) -> float:
    """Keys and values of what is asked together at most while a policy is measured (`selfplay.measure`)."""
    e, families = config.evaluation, len(config.problems)
    several = (e.pool_problems, e.pool_samples), (e.unsolved_problems, FRESH * e.unsolved_tries)
    asked = max((e.problems, 1), *several, key=lambda pair: pair[0] * pair[1])
    return _cache(config, model, item, families * asked[0] * prompt, families * asked[0] * asked[1], prompt)


def _cache(config: Run, model: PreTrainedModel, item: int, read: int, answers: int, prompt: int) -> float:
    """The engine's two halves: every token once in the arena (with its hidden state), and the rows under way.

    `read` tokens of prompts and `answers` answers. The arena doubles as it grows, so a quarter of it stands empty.
    """
    if not isinstance(config.engine, LocalSettings):
        return 0.0
    c, longest = model.config, config.sampling.max_tokens
    heads = getattr(c, "num_key_value_heads", None) or c.num_attention_heads
    d = getattr(c, "head_dim", None) or c.hidden_size // c.num_attention_heads
    cache = for_caches(config.device) if config.engine.cache_mb is None else config.engine.cache_mb << 20
    token, half = 2 * c.num_hidden_layers * heads * d * item, cache / 2
    together = config.engine.max_batch or (256 if config.device == "cpu" else 1024)
    context = config.engine.context or getattr(c, "max_position_embeddings", None) or 4096
    cell = token + c.hidden_size * item
    texts = min(max(half, 2 * context * cell), 4 / 3 * cell * (read + answers * longest))
    rows = min(half, token * min(answers, together) * (prompt + longest))
    return float(texts + rows)
