"""The state of the running requests as arrays, so that a step updates all of them at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ponder.engines.local.sampling import stream
from ponder.protocols import Request, Walk
from ponder.types import StopReason

Indices = NDArray[np.int64]


@dataclass(eq=False, slots=True)
class Job:
    """A request on its way: `limit` new tokens may be drawn and `cut` is why it ends if they all are.

    What older weights drew of it before an update is `said`, with log-probabilities and versions; it then goes on as
    if that were the end of its prompt.
    """

    request: Request
    limit: int
    cut: StopReason
    computed: int = 0
    reused: int = 0
    said: tuple[int, ...] = ()
    logprobs: tuple[float, ...] = ()
    versions: tuple[int, ...] = ()
    walk: Walk | None = None

    @property
    def text(self) -> tuple[int, ...]:
        """What goes through the model before the next token is drawn."""
        return self.request.prompt + self.said

    @property
    def left(self) -> int:
        """How many more tokens may be drawn."""
        return self.limit - len(self.said)

    @property
    def need(self) -> int:
        """The length that prompt and completion may reach."""
        return len(self.request.prompt) + self.limit


class Rows:
    """`running` lists the requests under way by their index into the arrays; an index that is left is used again.

    `slot` is the decoder's row that computes for a request. Requests whose texts are equal so far share one.
    """

    def __init__(self) -> None:
        self.running: Indices = np.zeros(0, dtype=np.int64)
        self.jobs: list[Job | None] = []
        self.walks: dict[int, Walk] = {}  # of the requests whose text must have a form
        self._free: list[int] = []
        self.slot = np.zeros(0, dtype=np.int64)
        self.last = np.zeros(0, dtype=np.int64)  # the token drawn last, not yet in the cache
        self.lengths = np.zeros(0, dtype=np.int64)  # prompt and drawn tokens
        self.drawn = np.zeros(0, dtype=np.int64)
        self.limits = np.zeros(0, dtype=np.int64)
        self.needs = np.zeros(0, dtype=np.int64)
        self.streams = np.zeros(0, dtype=np.uint64)
        self.temperatures = np.ones(0, dtype=np.float32)
        self.top_p = np.ones(0, dtype=np.float32)
        self.stops = np.zeros(0, dtype=np.int64)  # row of the stop table
        self.tokens = np.zeros((0, 0), dtype=np.int64)
        self.logprobs = np.zeros((0, 0), dtype=np.float32)

    @property
    def active(self) -> int:
        return len(self.running)

    @property
    def need(self) -> int:
        """The longest that any text may become."""
        return int(self.needs[self.running].max(initial=0))

    def join(self, jobs: Sequence[Job], slots: Sequence[int], stops: Sequence[int]) -> Indices:
        """Let jobs run; returns their indices."""
        self._make_room(len(jobs), max(job.left for job in jobs))
        indices = np.array([self._free.pop() for _ in jobs])
        for index, job, slot, stop in zip(indices.tolist(), jobs, slots, stops, strict=True):
            request = job.request
            self.jobs[index] = job
            if job.walk is not None:
                self.walks[index] = job.walk
            self.slot[index], self.stops[index] = slot, stop
            self.lengths[index], self.drawn[index] = len(job.text), 0
            self.limits[index], self.needs[index] = job.left, job.need
            self.streams[index] = stream(request.seed)
            self.temperatures[index], self.top_p[index] = request.temperature, request.top_p
        self.running = np.concatenate([self.running, indices])
        return indices

    def record(self, indices: Indices, tokens: NDArray[np.int64], logprobs: NDArray[np.float32]) -> None:
        """Append one drawn token to each of these."""
        drawn = self.drawn[indices]
        self.last[indices] = tokens
        self.tokens[indices, drawn] = tokens
        self.logprobs[indices, drawn] = logprobs
        self.drawn[indices] = drawn + 1
        self.lengths[indices] += 1

    def leave(self, indices: Sequence[int]) -> None:
        for index in indices:
            self.jobs[index] = None
            self.walks.pop(index, None)
        self.running = self.running[~np.isin(self.running, indices)]
        self._free.extend(indices)

    def regroup(self) -> list[int]:
        """One slot for all texts that are equal up to the token drawn last; the slot that each new slot goes on from.

        A slot keeps its place where it can: only what fills a gap, or parts from its group, is copied.
        """
        slots, last = self.slot[self.running], self.last[self.running]
        span = int(last.max()) + 1  # one number for both: sorting pairs takes several times as long
        texts, group = np.unique(slots * span + last, return_inverse=True)
        sources = texts // span
        stays = np.ones(len(sources), dtype=np.bool_)
        stays[1:] = sources[1:] != sources[:-1]
        stays &= sources < len(sources)
        places = np.where(stays, sources, -1)
        vacant = np.ones(len(sources), dtype=np.bool_)
        vacant[sources[stays]] = False
        places[~stays] = np.flatnonzero(vacant)
        self.slot[self.running] = places[group]
        order = np.empty_like(places)
        order[places] = sources
        found: list[int] = order.tolist()
        return found

    def _make_room(self, count: int, limit: int) -> None:
        old = len(self.jobs)
        rows, width = max(0, count - len(self._free)), max(0, limit - self.tokens.shape[1])
        rows, width = rows and max(rows, old), width and max(width, self.tokens.shape[1])
        if rows or width:
            for name, array in list(vars(self).items()):
                if isinstance(array, np.ndarray) and name != "running":
                    setattr(self, name, _padded(array, rows, width))
            self.jobs += [None] * rows
            self._free += range(old + rows - 1, old - 1, -1)


def _padded(array: NDArray[Any], rows: int, width: int) -> NDArray[Any]:
    return np.pad(array, [(0, rows), (0, width)][: array.ndim])
