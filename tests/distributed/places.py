"""Members in this process, with faults on command: what a cluster does to its parts, without a cluster."""

from __future__ import annotations

import asyncio
import copy
from collections import Counter
from typing import Any

from ponder.distributed.engine_worker import EngineWorker
from ponder.distributed.members import Lost
from ponder.distributed.messages import EngineSpec


class Near:
    """A worker of this process. `dead`: every call is Lost; `stopped`: no call is answered within its deadline."""

    def __init__(self, name: str, worker: Any) -> None:
        self.name, self.worker = name, worker
        self.dead = self.stopped = self.killed = False
        self.calls: Counter[str] = Counter()

    async def call(self, method: str, *arguments: Any, seconds: float) -> Any:
        self.calls[method] += 1
        task = asyncio.ensure_future(getattr(self.worker, method)(*arguments))
        waited = 0.0
        while waited < seconds:
            # `wait` on a task that is done returns at once: the deadline of a stopped member would be no time.
            await (asyncio.sleep(0.01) if task.done() else asyncio.wait([task], timeout=0.01))
            if self.dead or self.killed:
                task.cancel()
                raise Lost(f"{self.name}: it died")
            if task.done() and not self.stopped:
                return task.result()
            waited += 0.01
        task.cancel()
        raise Lost(f"{self.name}: no answer to {method} within {seconds:g} s")

    def kill(self) -> None:
        self.killed = True
        for task in list(self.worker._tasks.values()):
            task.cancel()


class Started:
    """Launches near workers and keeps them; `refuse` launches fail first."""

    def __init__(self, spec: EngineSpec) -> None:
        self.spec, self.members, self.refuse = spec, list[Near](), 0

    async def launch(self, place: int, began: int) -> Near:
        if self.refuse:
            self.refuse -= 1
            raise Lost(f"engine {place}: no node has room")
        self.members.append(Near(f"engine {place} (start {began + 1})", EngineWorker(self.spec)))
        return self.members[-1]


def shared(weights: Any) -> Any:
    """A copy, as an object store makes it."""
    return copy.deepcopy(weights)
