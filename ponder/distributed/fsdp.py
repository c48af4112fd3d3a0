"""The policy's trainer over several ranks: parameters, gradients and moments sharded by FSDP2 (`fully_shard`).

The trainer itself does not change. Its model is wrapped before the optimizer sees it, so that parameters are shards
(DTensors); its micro-batches are divided over the ranks (`learning.parallel.Ranks`); everything else is the same code.
All ranks are given the same samples and the same seed.

    torchrun --nproc-per-node 2 train.py            # in train.py:
        group = join()                              # gloo on CPUs, NCCL on GPUs
        trainer = sharded_trainer(model, settings, loss, group=group)
        trainer.update(samples)                     # the same samples on every rank

Each rank first holds the whole model in float32; then it keeps its share. With `precision` "bfloat16" the products run
in bfloat16 over float32 shards, which are the masters.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch._C._distributed_c10d import TCPStore
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor
from transformers import PreTrainedModel

from ponder.learning.checkpoints.state import LearnerState
from ponder.learning.parallel import Ranks
from ponder.learning.policy import PolicyTrainer
from ponder.learning.settings import TrainerSettings
from ponder.losses.loss import Loss
from ponder.types import PonderError


@dataclass(frozen=True)
class Group:
    """The ranks that train together, as a mesh of one dimension."""

    mesh: DeviceMesh
    rank: int
    ranks: int


@dataclass(frozen=True)
class Seat:
    """Which rank of how many a process is, and the store where they find each other."""

    rank: int
    ranks: int
    store: TCPStore


def join(device: str = "", seconds: float = 600.0, seat: Seat | None = None) -> Group:
    """Join the process group of `seat` (None: that which `torchrun` describes); `device` "" is CUDA if there is any.

    A collective that waits longer than `seconds` for another rank fails on every rank.
    """
    where = device or ("cuda" if torch.cuda.is_available() else "cpu")
    backend, patience = "nccl" if where == "cuda" else "gloo", timedelta(seconds=seconds)
    if seat is not None:
        dist.init_process_group(backend, store=seat.store, rank=seat.rank, world_size=seat.ranks, timeout=patience)
    elif not dist.is_initialized():
        missing = [name for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT") if name not in os.environ]
        if missing:
            raise PonderError(
                f"this process is no rank of a group: {', '.join(missing)} not set; start it with torchrun"
            )
        dist.init_process_group(backend, timeout=patience)
    if where == "cuda":
        torch.cuda.set_device(dist.get_rank() % torch.cuda.device_count())
    ranks = dist.get_world_size()
    return Group(init_device_mesh(where, (ranks,)), dist.get_rank(), ranks)


def sharded_trainer(
    model: PreTrainedModel,
    settings: TrainerSettings | None = None,
    loss: Loss | None = None,
    *,
    group: Group,
    **facts: Any,
) -> PolicyTrainer:
    """A trainer whose weights are spread over the group. `facts` are those of `PolicyTrainer` (temperature, ...).

    PonderError for settings that need whole weights: the packed backend, LoRA, a pull to a reference.
    """
    chosen = settings or TrainerSettings()
    if chosen.backend not in ("auto", "module"):
        raise PonderError(
            f"trainer.backend={chosen.backend}: over several ranks weights are gathered by the model's own forward; "
            "use trainer.backend=module"
        )
    if chosen.lora_rank or (loss is not None and loss.keeps_reference):
        raise PonderError(
            "adapters (trainer.lora_rank) and a reference (loss.kl_coef, loss dpo) are not sharded yet; set both to 0 "
            "and choose another loss than dpo"
        )
    if model.dtype != torch.float32:
        raise PonderError(
            f"a sharded trainer keeps float32 masters in its shards and was given {model.dtype}; load the model in "
            "float32 and set trainer.precision=bfloat16"
        )
    for layer in getattr(model.base_model, "layers", []):
        fully_shard(layer, mesh=group.mesh)
    fully_shard(model, mesh=group.mesh)
    return PolicyTrainer(
        model,
        chosen.model_copy(update={"backend": "module"}),
        loss,
        parallel=Ranks(group.rank, group.ranks, gathered),
        **facts,
    )


def gathered(value: Any) -> list[Any]:
    """The value of each rank, in their order. All ranks must call it."""
    found: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(found, value)
    return found


def whole_state(trainer: PolicyTrainer) -> LearnerState:
    """`trainer.state()` with whole tensors on every rank, as one process has it. All ranks must call it."""
    state = trainer.state()
    weights = {name: _full(tensor) for name, tensor in state.weights.items()}
    return LearnerState(weights, {name: _full(t) for name, t in state.tensors.items()}, state.counters)


def load_whole(trainer: PolicyTrainer, state: LearnerState) -> None:
    """Continue from the state of one process or of any number of ranks: each rank keeps its share of the tensors."""
    own = trainer.core.parameters

    def share(name: str, tensor: Tensor) -> Tensor:
        """`name` has a prefix ("exp_avg.model.norm.weight"), which is empty for the weights themselves."""
        like: Tensor | None = own.get(name.partition(".")[2])
        if not isinstance(like, DTensor) or tensor.shape != like.shape:  # step counts; another shape is refused later
            return tensor.clone()
        spread = tensor.to(like.device)
        # `src_data_rank=None`: every rank has the whole tensor and cuts its own part, nothing is sent.
        return distribute_tensor(spread, like.device_mesh, like.placements, src_data_rank=None)

    weights = {name: share(f".{name}", tensor) for name, tensor in state.weights.items()}
    trainer.load_state(LearnerState(weights, {n: share(n, t) for n, t in state.tensors.items()}, state.counters))


def full_weights(trainer: PolicyTrainer) -> dict[str, Tensor]:
    """The whole weights on every rank, for an engine or a model folder. All ranks must call it."""
    return {name: _full(tensor) for name, tensor in trainer.weights().items()}


def full_gradients(trainer: PolicyTrainer) -> dict[str, Tensor]:
    """The whole gradient of the last step on every rank, by parameter. All ranks must call it."""
    return {name: _full(p.grad) for name, p in trainer.core.parameters.items() if p.grad is not None}


def _full(tensor: Tensor) -> Tensor:
    full = getattr(tensor, "full_tensor", None)
    whole: Tensor = tensor if full is None else full()
    return whole.detach()


def shards(trainer: PolicyTrainer) -> Mapping[str, Tensor]:
    """The trainer's parameters on this rank, by name: DTensors where the model is sharded."""
    return trainer.core.parameters
