"""A rank of the learner group, in a process of its own: an ordinary `PolicyTrainer` whose weights are sharded.

The driver calls the same method on every rank; rank 0 answers with whole tensors.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import psutil
import torch
from torch._C._distributed_c10d import TCPStore
from transformers import AutoModelForCausalLM, PretrainedConfig

from ponder.distributed.fsdp import Group, Seat, full_weights, join, load_whole, sharded_trainer, whole_state
from ponder.distributed.messages import Packed, Told, packed, unpacked
from ponder.learning.checkpoints.state import LearnerState, restore_weights
from ponder.learning.policy import PolicyTrainer
from ponder.learning.report import UpdateReport
from ponder.learning.settings import TrainerSettings
from ponder.losses.loss import Loss
from ponder.losses.normalisation import LeftOut
from ponder.types import PonderError, Sample


@dataclass(frozen=True)
class Course:
    """What is trained for now: settings and loss of a stage, its steps, and what its rate is multiplied by."""

    settings: TrainerSettings
    loss: Loss
    total_steps: int
    scale: float = 1.0


@dataclass(frozen=True)
class LearnerSpec:
    """Everything that a rank needs besides weights. `facts` are those of `PolicyTrainer` (temperature, ...).

    A collective that waits `seconds` for another rank fails.
    """

    config: PretrainedConfig
    ranks: int
    facts: dict[str, Any] = field(default_factory=dict)
    device: str = "cpu"
    threads: int = 1
    seconds: float = 3600.0


@dataclass(frozen=True)
class Sent:
    """A learner's state as it travels: weights, moments, counters."""

    weights: Packed
    tensors: Packed
    counters: dict[str, int]

    @staticmethod
    def of(state: LearnerState) -> Sent:
        return Sent(packed(state.weights), packed(state.tensors), dict(state.counters))

    def state(self) -> LearnerState:
        return LearnerState(unpacked(self.weights), unpacked(self.tensors), self.counters)


class LearnerWorker:
    """One rank. `join` and `load` come first."""

    def __init__(self, spec: LearnerSpec, rank: int) -> None:
        self._spec, self._rank = spec, rank
        self._group: Group | None = None
        self._trainer: PolicyTrainer | None = None
        self._socket: socket.socket | None = None

    def alive(self) -> Told:
        return Told(host=socket.gethostname(), pid=os.getpid())

    def meeting(self) -> tuple[str, int]:
        """Where the ranks can find each other: an address and a port that this process listens on from now on."""
        self._socket = socket.create_server((_address(), 0))
        host, port = self._socket.getsockname()[:2]
        return str(host), int(port)

    def join(self, host: str, port: int, seconds: float) -> None:
        """Join the group that meets there, within `seconds`."""
        self._ready()
        # gloo and NCCL would take what the machine's name stands for: every interface, or one that nobody reaches.
        for name in ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME"):
            os.environ.setdefault(name, _interface(_address()))
        listening = None if self._socket is None else self._socket.detach()
        store = TCPStore(
            host,
            port,
            self._spec.ranks,
            is_master=listening is not None,
            timeout=timedelta(seconds=seconds),
            wait_for_workers=False,
            master_listen_fd=listening,
        )
        self._group = join(self._spec.device, self._spec.seconds, Seat(self._rank, self._spec.ranks, store))

    def load(self, course: Course, sent: Sent) -> None:
        """Train on from this state, whoever wrote it."""
        self._ready()
        state = sent.state()
        if self._trainer is None:
            model = AutoModelForCausalLM.from_config(self._spec.config, dtype=torch.float32)
            restore_weights(model, state.weights)
            self._trainer = sharded_trainer(
                model.to(self._spec.device),
                course.settings,
                course.loss,
                group=self._joined,
                total_steps=course.total_steps,
                **self._spec.facts,
            )
        else:
            self.restage(course)
        self._trainer.slow(course.scale)
        load_whole(self._trainer, state)

    def restage(self, course: Course) -> None:
        """Go on from these weights with a fresh optimizer."""
        settings = course.settings.model_copy(update={"backend": "module"})
        self._loaded.restage(settings, course.loss, course.total_steps)

    def slow(self, scale: float) -> None:
        self._loaded.slow(scale)

    def update(self, samples: Sequence[Sample], left_out: LeftOut | None = None) -> tuple[UpdateReport, Packed | None]:
        """The report of the whole group's update, and on rank 0 the weights after it."""
        self._ready()
        started = time.monotonic()
        report = self._loaded.update(samples, left_out)
        self._loaded.rest()
        weights = full_weights(self._loaded)
        report = replace(report, seconds=time.monotonic() - started)
        return report, packed(weights) if self._rank == 0 else None

    def state(self) -> Sent | None:
        """On rank 0 the whole state."""
        self._ready()
        state = whole_state(self._loaded)
        return Sent.of(state) if self._rank == 0 else None

    def _ready(self) -> None:
        torch.set_num_threads(self._spec.threads)  # of this thread: an actor's calls take turns on several

    @property
    def _loaded(self) -> PolicyTrainer:
        if self._trainer is None:
            raise PonderError("this learner has no weights yet; load some before training")
        return self._trainer

    @property
    def _joined(self) -> Group:
        if self._group is None:
            raise PonderError("this learner belongs to no group yet; join one before loading weights")
        return self._group


def _address() -> str:
    """The address under which this machine belongs to the cluster: 127.0.0.1 in a cluster of one machine's own."""
    from ray.util import get_node_ip_address

    return str(get_node_ip_address())  # type: ignore[no-untyped-call]


def _interface(address: str) -> str:
    """The network interface that has this address."""
    for name, held in psutil.net_if_addrs().items():
        if any(each.address == address for each in held):
            return str(name)
    raise PonderError(f"no network interface of {socket.gethostname()} has the address {address} that Ray gives it")
