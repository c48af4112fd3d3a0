"""A thread that draws answers for later updates while the policy learns from earlier ones.

Batches are numbered through the whole run, as updates are: update n learns from batch n. With k updates of staleness
batch n may begin when update n - k - 1 is done: the oldest weights that it may be drawn by have then had n - k updates.
At the end of a round the sampler finishes what it may draw and rests: k batches wait, the engine serves the newest
weights, and the run is measured and saved as a run without a sampler is. So a checkpoint holds no half batch and no old
weights, and what is resumed draws the very batch that would have come next.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor

from ponder.engines.loop import run as run_async
from ponder.protocols import WeightedEngine
from ponder.selfplay.ahead.saved import groups_as_data, groups_of
from ponder.selfplay.ahead.settings import Staleness
from ponder.types import Group, PonderError

T = TypeVar("T")
_LOOK = 0.02  # seconds between two looks for newer weights, while answers are drawn


@dataclass(frozen=True)
class Batch:
    """The answers for one update, and what was measured as they were drawn."""

    groups: list[Group]
    metrics: dict[str, float]


# Draws batch n, running coroutines by the function that it is given.
Draws = Callable[[int, Callable[[Coroutine[Any, Any, Any]], Any]], Batch]
Publish = Callable[[Mapping[str, Tensor], int], Coroutine[Any, Any, object]]


class Sampler:
    """`draw(n, run)` draws batch n; `total` batches make the run. The thread starts with the first `take`."""

    def __init__(self, settings: Staleness, draw: Draws, engine: WeightedEngine, publish: Publish, total: int) -> None:
        self.settings, self._draw, self._engine, self._publish, self._total = settings, draw, engine, publish, total
        self._changed = threading.Condition()
        self._buffer: dict[int, Batch] = {}
        self._weights: dict[int, dict[str, Tensor]] = {}  # after so many updates
        self._done = 0  # updates that were learned
        self._next = 0  # the batch to be drawn next
        self._until = 0  # the first batch that belongs to a later round than is being played
        self._applied = 0  # updates that the engine's weights have had
        self._base = engine.version  # the version of weights without any update
        self._resting, self._drawing, self._closed = True, False, False
        self._error: BaseException | None = None
        self._thread: threading.Thread | None = None
        self.waited = 0.0  # seconds that learning waited for answers
        self.paced = 0.0  # seconds that sampling waited for weights

    # The learner's side.

    def take(self, number: int, until: int) -> Batch:
        """Batch `number`, waited for, in a round that ends before batch `until`. Raises what went wrong in drawing."""
        started = time.monotonic()
        with self._changed:
            self._resting, self._until = False, until
            if self._thread is None:
                threads = torch.get_num_threads()
                self._thread = threading.Thread(target=self._work, args=(threads,), daemon=True, name="ponder sampler")
                self._thread.start()
            self._changed.notify_all()
            while number not in self._buffer:
                self._raise()
                self._changed.wait(1.0)
            batch = self._buffer.pop(number)
        waited = time.monotonic() - started
        self.waited += waited
        return Batch(batch.groups, {**batch.metrics, **self._ages(batch, number), "staleness/waited_seconds": waited})

    def learned(self, weights: Mapping[str, Tensor]) -> None:
        """An update is done and these are its weights; they are copied, for the trainer goes on changing them."""
        copy = {name: tensor.detach().clone() for name, tensor in weights.items()}
        with self._changed:
            self._done += 1
            self._weights[self._done] = copy
            self._changed.notify_all()

    def rest(self) -> int:
        """Let the sampler finish what it may draw, and then wait; returns the version of the newest weights."""
        with self._changed:
            while self._thread is not None and (self._drawing or self._may_draw()):
                self._raise()
                self._changed.wait(1.0)
            self._resting = True
            self._applied = self._done
            self._weights.clear()
            return self._base + self._done

    def halt(self) -> None:
        """Draw nothing more, and forget what was drawn: the run goes back."""
        with self._changed:
            self._resting = True
            self._changed.notify_all()
            while self._drawing:
                self._changed.wait(1.0)
            self._buffer.clear()
            self._weights.clear()
            self._error = None

    def close(self) -> None:
        """End the thread after the batch that it draws."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def state(self) -> dict[str, Any]:
        """What was drawn and not yet learned from. Only at rest."""
        with self._changed:
            if not self._resting or self._drawing:
                raise PonderError("a sampler that is drawing cannot be saved; let it rest first")
            batches = [[n, groups_as_data(b.groups), dict(b.metrics)] for n, b in sorted(self._buffer.items())]
        return {"done": self._done, "batches": batches}

    def load_state(self, state: Mapping[str, Any], version: int) -> None:
        """Go on where `state` was read; the engine will serve the weights of that moment as `version`."""
        self.halt()
        with self._changed:
            self._done = self._applied = int(state["done"])
            self._base = version - self._done
            self._buffer = {n: Batch(groups_of(data), dict(metrics)) for n, data, metrics in state["batches"]}
            self._next = max(self._buffer, default=self._done - 1) + 1

    def _ages(self, batch: Batch, number: int) -> dict[str, float]:
        """How many updates behind the weights were that drew the tokens to learn from."""
        now = self._base + number
        ages = [
            (now - step.version, len(step.tokens))
            for group in batch.groups
            for step in {id(s): s for t in group.trajectories for s in t.steps}.values()
            if not step.forced
        ]
        tokens = sum(count for _, count in ages)
        mean = sum(age * count for age, count in ages) / tokens if tokens else 0.0
        return {"staleness/mean": mean, "staleness/most": float(max((age for age, _ in ages), default=0))}

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error
        if self._thread is not None and not self._thread.is_alive():
            raise PonderError("the sampler ended without a word; begin again with --resume")

    # The sampler's side.

    def _may_draw(self) -> bool:
        """Whether the next batch may begin: enough updates are done, and it is not too far in the next round."""
        k = self.settings.updates
        return self._next < min(self._total, self._until + k) and self._done >= self._next - k

    def _work(self, threads: int) -> None:
        torch.set_num_threads(threads)  # a thread of its own counts anew
        while True:
            paused = time.monotonic()
            with self._changed:
                while not self._closed and (self._resting or not self._may_draw()):
                    self._changed.wait(1.0)
                if self._closed:
                    return
                self._drawing, number = True, self._next
            self.paced += time.monotonic() - paused
            try:
                batch = self._batch(number)
                with self._changed:
                    self._buffer[number], self._next = batch, number + 1
            except BaseException as error:  # it is raised where the batch is waited for
                self._error = error
            finally:
                with self._changed:
                    self._drawing = False
                    self._resting = self._resting or self._error is not None
                    self._changed.notify_all()

    def _batch(self, number: int) -> Batch:
        if self.settings.weights == "fixed":
            run_async(self._apply(max(0, number - self.settings.updates)))
            return self._draw(number, run_async)
        return self._draw(number, lambda coroutine: run_async(self._under_new_weights(coroutine)))

    async def _apply(self, updates: int) -> None:
        """Let the engine serve the weights after so many updates; older ones are not needed any more."""
        with self._changed:
            weights = self._weights.get(updates)
            for old in [n for n in self._weights if n <= updates]:
                del self._weights[old]
        if weights is not None and updates > self._applied:
            await self._publish(weights, self._base + updates)
            self._applied = updates

    async def _under_new_weights(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """`coroutine`, while the engine takes each newer version as soon as there is one."""

        async def watch() -> None:
            while True:
                await self._apply(self._done)
                await asyncio.sleep(_LOOK)

        await self._apply(self._done)
        watching = asyncio.ensure_future(watch())
        try:
            return await coroutine
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
