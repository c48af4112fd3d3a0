"""Checkpoints of a trainer over several ranks, which load at another number of ranks (torch.distributed.checkpoint).

Every rank writes its own shards into one folder; a reader asks for what its own layout needs, so a checkpoint of two
ranks loads in one process and in three. The folder appears under its name only when all ranks have written: it is
written beside it and renamed by rank 0.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed.checkpoint.state_dict import get_optimizer_state_dict, set_optimizer_state_dict
from torch.distributed.checkpoint.state_dict_loader import load as read_shards
from torch.distributed.checkpoint.state_dict_saver import save as write_shards

from ponder.learning.policy import PolicyTrainer
from ponder.types import PonderError


def save(trainer: PolicyTrainer, folder: Path | str) -> None:
    """Write weights, moments and counters of all ranks into `folder`, whole or not at all. All ranks must call it."""
    target = Path(folder)
    hidden = target.with_name(f".tmp-{target.name}")
    first = not dist.is_initialized() or dist.get_rank() == 0
    if first:
        if target.exists():
            raise PonderError(f"checkpoint {target}: it is there already; choose another folder")
        shutil.rmtree(hidden, ignore_errors=True)
        hidden.parent.mkdir(parents=True, exist_ok=True)
    _wait()
    write_shards(_state(trainer), checkpoint_id=str(hidden))
    _wait()
    if first:
        hidden.rename(target)
    _wait()


def load(trainer: PolicyTrainer, folder: Path | str) -> None:
    """Continue `trainer` from `folder`, whatever number of ranks wrote it. All ranks must call it."""
    path = Path(folder)
    if not (path / ".metadata").is_file():
        raise PonderError(f"checkpoint {path}: it is not whole (no .metadata); choose an earlier one")
    state = _state(trainer)
    read_shards(state, checkpoint_id=str(path))
    with torch.no_grad():
        for name, parameter in trainer.core.parameters.items():
            parameter.copy_(state["weights"][name])
    set_optimizer_state_dict(trainer.model, trainer.core.optimizer, optim_state_dict=state["moments"])
    counters = {name: int(value) for name, value in state["counters"].items()}
    trainer.core.steps, trainer.core.skips = counters["steps"], counters["skips"]
    trainer.core.skips_in_a_row = counters["skips_in_a_row"]


def _state(trainer: PolicyTrainer) -> dict[str, Any]:
    return {
        "weights": {name: p.detach() for name, p in trainer.core.parameters.items()},
        "moments": get_optimizer_state_dict(trainer.model, trainer.core.optimizer),
        "counters": {name: torch.tensor(value) for name, value in trainer.core.counters().items()},
    }


def _wait() -> None:
    if dist.is_initialized():
        dist.barrier()
