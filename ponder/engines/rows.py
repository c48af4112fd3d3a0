"""The state of the active rows as arrays, so that a step updates all of them at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ponder.engines.sampling import stream
from ponder.protocols import Request
from ponder.types import StopReason


@dataclass(eq=False, slots=True)
class Job:
    """A request on its way: `limit` new tokens may be drawn and `cut` is why it ends if they all are."""

    request: Request
    limit: int
    cut: StopReason
    computed: int = 0

    @property
    def need(self) -> int:
        """The length that prompt and completion may reach."""
        return len(self.request.prompt) + self.limit


class Rows:
    """Rows 0 to `size`-1; the fields of a row lie in the arrays at its index.

    A row that ended is a hole (its job is None) until the next job takes it or `close_holes` moves a later row into it.
    """

    def __init__(self, capacity: int) -> None:
        self.jobs: list[Job | None] = []
        self.holes: list[int] = []
        self.last = np.zeros(capacity, dtype=np.int64)  # the token drawn last, not yet in the cache
        self.lengths = np.zeros(capacity, dtype=np.int64)  # prompt and drawn tokens
        self.drawn = np.zeros(capacity, dtype=np.int64)
        self.limits = np.zeros(capacity, dtype=np.int64)
        self.needs = np.zeros(capacity, dtype=np.int64)
        self.streams = np.zeros(capacity, dtype=np.uint64)
        self.temperatures = np.ones(capacity, dtype=np.float32)
        self.top_p = np.ones(capacity, dtype=np.float32)
        self.stops = np.zeros(capacity, dtype=np.int64)  # row of the stop table
        self.tokens = np.zeros((capacity, 0), dtype=np.int64)
        self.logprobs = np.zeros((capacity, 0), dtype=np.float32)

    @property
    def size(self) -> int:
        return len(self.jobs)

    @property
    def active(self) -> int:
        return len(self.jobs) - len(self.holes)

    @property
    def need(self) -> int:
        """The longest that any row may become."""
        return int(self.needs[: self.size].max(initial=0))

    def place(self, job: Job, stop_row: int) -> int:
        """Give a job the first hole, or a new row at the end."""
        if self.holes:
            row = self.holes.pop()
            self.jobs[row] = job
        else:
            row = self.size
            self.jobs.append(job)
        request = job.request
        self.lengths[row], self.drawn[row] = len(request.prompt), 0
        self.limits[row], self.needs[row] = job.limit, job.need
        self.streams[row], self.stops[row] = stream(request.seed), stop_row
        self.temperatures[row], self.top_p[row] = request.temperature, request.top_p
        if job.limit > self.tokens.shape[1]:
            self.tokens, self.logprobs = _widened(self.tokens, job.limit), _widened(self.logprobs, job.limit)
        return row

    def record(self, rows: NDArray[np.int64], tokens: NDArray[np.int64], logprobs: NDArray[np.float32]) -> None:
        """Append one drawn token to each of these rows."""
        drawn = self.drawn[rows]
        self.last[rows] = tokens
        self.tokens[rows, drawn] = tokens
        self.logprobs[rows, drawn] = logprobs
        self.drawn[rows] = drawn + 1
        self.lengths[rows] += 1

    def leave(self, row: int) -> None:
        self.jobs[row] = None
        self.needs[row] = 0
        self.holes.append(row)
        if not self.active:
            self.jobs.clear()
            self.holes.clear()

    def close_holes(self) -> list[int]:
        """Move the last rows into the holes; for each row that is left, the row that it was."""
        kept = self.active
        order = list(range(kept))
        movers = [row for row in range(kept, self.size) if self.jobs[row] is not None]
        targets = [row for row in self.holes if row < kept]
        for target, mover in zip(targets, movers, strict=True):
            order[target] = mover
            self.jobs[target] = self.jobs[mover]
        for array in self._arrays():
            array[targets] = array[movers]
        del self.jobs[kept:]
        self.holes.clear()
        return order

    def _arrays(self) -> tuple[NDArray[Any], ...]:
        return (
            *(self.last, self.lengths, self.drawn, self.limits, self.needs, self.streams),
            *(self.temperatures, self.top_p, self.stops, self.tokens, self.logprobs),
        )


def _widened(array: NDArray[Any], width: int) -> NDArray[Any]:
    wider = np.zeros((array.shape[0], max(width, 2 * array.shape[1])), dtype=array.dtype)
    wider[:, : array.shape[1]] = array
    return wider
