"""A Ray cluster as a run uses it: joined or started here, with a placement group for each kind of part.

    with joined("local", settings, heard) as world:
        pool = world.engines(spec, weights)

What is started here ("local") listens on 127.0.0.1 alone, without a dashboard. Ray trusts whoever can connect to it:
everything it sends between processes is pickled. So an ADDRESS must be one of a network of your own (docs/cluster.md).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import Tensor
from transformers import PreTrainedModel

from ponder.distributed.engine_worker import EngineWorker
from ponder.distributed.graders import GraderPool, GraderWorker
from ponder.distributed.learners.group import LearnerGroup
from ponder.distributed.learners.worker import Course, LearnerSpec, LearnerWorker
from ponder.distributed.members import Heard
from ponder.distributed.messages import EngineSpec
from ponder.distributed.pool import EnginePool
from ponder.names import install
from ponder.protocols import Family
from ponder.selfplay.cluster import Cluster
from ponder.types import PonderError

_MISSING = f"--cluster needs Ray, which is not installed: {install('cluster')}"
# Read by Ray when it is imported or started. Nothing is reported to anybody, and actors run at the driver's priority
# (by default Ray lets everything else on a machine go first, which on a busy one starves the engines).
_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_worker_niceness": "0",
}
# Ray replaces 127.0.0.1 by the machine's address unless it is told that there will be no other machine.
_LOOPBACK = ("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
_TRIES = 3
_STORE = 256 << 20  # the least room for objects in a cluster that is started here, in bytes


class World:
    """The parts of one run on a cluster. `close` ends them all."""

    def __init__(self, settings: Cluster, heard: Heard) -> None:
        self.settings, self._heard = settings, heard
        self._open = ExitStack()

    def engines(self, spec: EngineSpec, state: Mapping[str, Tensor], version: int = 0) -> EnginePool:
        """The engines of the settings with these weights, started; PonderError if they do not come up."""
        from ponder.distributed.ray_members import Actors, share

        cpus, gpus = self.settings.engine_cpus, self.settings.engine_gpus
        group = self._group("engines", self.settings.engines, cpus, gpus)
        actors = Actors("engine", EngineWorker, group, cpus, gpus)
        pool = EnginePool(
            lambda place, began: actors.launch(place, began, spec),
            share,
            self.settings,
            state,
            version=version,
            heard=self._heard,
        )
        self._open.callback(pool.close)
        pool.start()
        if self.settings.metrics_port:
            from ponder.distributed.metrics import served

            self._open.enter_context(served(pool, self.settings.metrics_port))
        return pool

    def learners(self, model: PreTrainedModel, course: Course, **facts: Any) -> LearnerGroup:
        """The learners of the settings with the weights of `model`, started. `facts` are those of `PolicyTrainer`."""
        from ponder.distributed.ray_members import Actors, put

        s = self.settings
        bundles = self._group("learners", s.learners, s.learner_cpus, s.learner_gpus, near=True)
        actors = Actors("learner", LearnerWorker, bundles, s.learner_cpus, s.learner_gpus, calls=2)
        device = "cuda" if s.learner_gpus else "cpu"
        spec = LearnerSpec(model.config, s.learners, facts, device, s.learner_cpus, s.update_seconds)
        group = LearnerGroup(
            model, course, lambda place, began: actors.launch(place, began, spec, place), put, s, heard=self._heard
        )
        self._open.callback(group.close)
        group.start()
        return group

    def graders(self, families: Sequence[Family], *, allow_unsafe_code: bool = False) -> GraderPool | None:
        """Graders on the cluster; None if the settings want them in this process."""
        if not self.settings.graders:
            return None
        from ponder.distributed.ray_members import Actors

        group = self._group("graders", self.settings.graders, 1, 0)
        actors = Actors("grader", GraderWorker, group, 1, calls=2)
        pool = GraderPool(
            lambda place, began: actors.launch(place, began, tuple(families), allow_unsafe_code),
            self.settings,
            heard=self._heard,
        )
        self._open.callback(pool.close)
        return pool

    def close(self) -> None:
        self._open.close()

    def _group(self, what: str, count: int, cpus: float, gpus: float, near: bool = False) -> Any:
        """A placement group with room for `count` parts. PonderError if there is none.

        They are spread over the nodes, or `near`: on as few as hold them.
        """
        import ray
        from ray.util.placement_group import placement_group, remove_placement_group

        bundle = {"CPU": float(cpus), **({"GPU": float(gpus)} if gpus else {})}
        group = placement_group([bundle] * count, strategy="PACK" if near else "SPREAD")
        self._open.callback(remove_placement_group, group)
        if not group.wait(self.settings.start_seconds):
            whole, free = ray.cluster_resources(), ray.available_resources()  # type: ignore[no-untyped-call]
            raise PonderError(
                f"the cluster has no room for {count} {what} with {bundle} each: it has {_had(whole)}, of which "
                f"{_had(free)} are free; ask for fewer (cluster.{what}), or add nodes"
            )
        return group


@contextmanager
def joined(address: str, settings: Cluster, heard: Heard) -> Iterator[World]:
    """The cluster at `address`, or with "local" one of this machine's own, which ends with the block.

    PonderError if Ray is missing, the address does not answer, or there is no room.
    """
    with ExitStack() as stack:
        _connect(address, settings, stack)
        world = World(settings, heard)
        stack.callback(world.close)
        yield world


def prepare(address: str) -> None:
    """Set what Ray reads from the environment. Has an effect before Ray is imported."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    if address == "local":
        os.environ.setdefault(*_LOOPBACK)


def _connect(address: str, settings: Cluster, stack: ExitStack) -> None:
    prepare(address)
    try:
        import ray
    except ImportError:
        raise PonderError(_MISSING) from None
    if ray.is_initialized():  # whoever connected ends it
        return
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR", "configure_logging": True}
    own: dict[str, Any] = {
        "num_cpus": settings.engines * settings.engine_cpus
        + settings.learners * settings.learner_cpus
        + settings.graders,
        "include_dashboard": False,
        "object_store_memory": _STORE,
        "_node_ip_address": "127.0.0.1",
    }
    for left in reversed(range(_TRIES if address == "local" else 1)):
        try:
            ray.init(address=address, **(own if address == "local" else {}), **quiet)
            break
        except Exception as error:  # Ray raises bare ones: on a busy machine its raylet has 30 s to come up
            ray.shutdown()
            if left:
                continue
            reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
            raise PonderError(
                f"cluster {address}: cannot be joined ({reason}); give HOST:PORT of a head that runs the same versions "
                "of Python and Ray (`ray start --head`), or local"
            ) from None
    stack.callback(ray.shutdown)


def _had(resources: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {resources.get(name, 0):g}" for name in ("CPU", "GPU"))
