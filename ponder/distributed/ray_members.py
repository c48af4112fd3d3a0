"""Members that are Ray actors. Ray starts them where there is room and carries messages; it repeats nothing.

An actor is never restarted by Ray (`max_restarts=0`): a restarted actor would have forgotten its weights and answered
all the same. Whoever asked starts a new one and gives it what it needs.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from contextlib import suppress
from typing import Any

import ray
from ray.exceptions import ObjectStoreFullError, OutOfDiskError, RayError, RayTaskError
from ray.util.placement_group import PlacementGroup
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from ponder.distributed.members import Lost
from ponder.distributed.messages import Packed
from ponder.types import PonderError


class RayMember:
    """One actor. `process` is its host and process id as soon as it told them."""

    def __init__(self, name: str, actor: Any) -> None:
        self.name = name
        self._actor = actor
        self.process: tuple[str, int] | None = None

    async def call(self, method: str, *arguments: Any, seconds: float) -> Any:
        try:
            reference = getattr(self._actor, method).remote(*arguments)
            result = await asyncio.wait_for(asyncio.wrap_future(reference.future()), seconds)
        except RayTaskError as error:
            cause = error.cause
            if isinstance(cause, PonderError):
                raise type(cause)(*cause.args) from None
            raise Lost(f"{self.name}: {method} raised {_first_line(cause)}") from None
        except RayError as error:
            raise Lost(f"{self.name}: {_first_line(error)}") from None
        except TimeoutError:
            raise Lost(f"{self.name}: no answer to {method} within {seconds:g} s") from None
        told = getattr(result, "told", result)
        if getattr(told, "pid", 0):
            self.process = (told.host, told.pid)
        return result

    def kill(self) -> None:
        with suppress(Exception):  # whatever Ray says to the end of a process that may be gone
            ray.kill(self._actor)
        # A stopped process (SIGSTOP) does not hear Ray, and would keep its resources.
        if self.process is not None and self.process[0] == socket.gethostname():
            with suppress(ProcessLookupError, PermissionError):
                os.kill(self.process[1], signal.SIGKILL)


def _first_line(error: BaseException | None) -> str:
    lines = [line.strip() for line in str(error).strip().splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0] if lines else ''}"


class Actors:
    """Starts the actors of one kind in a placement group, one bundle a place; each answers `calls` at once."""

    def __init__(
        self, what: str, kind: type[Any], group: PlacementGroup, cpus: float, gpus: float = 0.0, calls: int = 64
    ) -> None:
        self._what, self._group, self._cpus, self._gpus, self._calls = what, group, cpus, gpus, calls
        self._remote = ray.remote(kind)

    async def launch(self, place: int, began: int, *arguments: Any) -> RayMember:
        """The actor of `place`; it may still wait for resources when this returns. Raises Lost."""
        name = f"{self._what} {place}" + (f" (start {began + 1})" if began else "")
        strategy = PlacementGroupSchedulingStrategy(self._group, placement_group_bundle_index=place)
        try:
            actor = self._remote.options(
                num_cpus=self._cpus,
                num_gpus=self._gpus,
                scheduling_strategy=strategy,
                max_restarts=0,
                max_task_retries=0,
                max_concurrency=self._calls,
            ).remote(*arguments)
        except RayError as error:
            raise Lost(f"{name}: {_first_line(error)}") from None
        return RayMember(name, actor)


def put(value: Any) -> Any:
    """Anything into the object store, for several actors: each node fetches it once.

    Where the store is full Ray writes to the disk under its folder. PonderError if that is full as well.
    """
    try:
        return ray.put(value)
    except (OutOfDiskError, ObjectStoreFullError) as error:
        raise PonderError(
            "Ray has no room for what the parts of the cluster are to fetch: its object store is full, and so is the "
            f"disk under its folder ({type(error).__name__}); free some of that disk, or start Ray with more room "
            "(`ray start --object-store-memory BYTES --temp-dir FOLDER`, three times the weights), and go on with "
            "--resume"
        ) from None


def share(weights: Packed) -> Any:
    """Weights into the object store: each node fetches them once. PonderError as `put`."""
    return put(weights)
