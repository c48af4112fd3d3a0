"""The state of the active rows as arrays, so that a step updates all of them at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ponder.protocols import Request
from ponder.types import StopReason


@dataclass(eq=False, slots=True)
class Job:
    """A request on its way: `limit` new tokens may be drawn and `cut` is why it ends if they all are."""

    request: Request
    limit: int
    cut: StopReason
    computed: int = 0


class Rows:
    """Rows 0 to `active`-1 are under way. Fields of a row lie in the arrays of the same index."""

    def __init__(self, capacity: int) -> None:
        self.active = 0
        self.jobs: list[Job] = []
        self.last = np.zeros(capacity, dtype=np.int64)  # token drawn last, not yet in the cache
        self.lengths = np.zeros(capacity, dtype=np.int64)  # prompt and drawn tokens
        self.drawn = np.zeros(capacity, dtype=np.int64)
        self.limits = np.zeros(capacity, dtype=np.int64)
        self.needs = np.zeros(capacity, dtype=np.int64)  # length that the row may reach
        self.streams = np.zeros(capacity, dtype=np.uint64)
        self.temperatures = np.ones(capacity, dtype=np.float32)
        self.top_p = np.ones(capacity, dtype=np.float32)
        self.stops = np.zeros(capacity, dtype=np.int64)  # row of the stop table
        self.tokens = np.zeros((capacity, 0), dtype=np.int64)
        self.logprobs = np.zeros((capacity, 0), dtype=np.float32)

    def add(self, job: Job, stream: np.uint64, stop_row: int) -> int:
        row, request = self.active, job.request
        self.jobs.append(job)
        self.active += 1
        self.lengths[row], self.drawn[row], self.limits[row] = len(request.prompt), 0, job.limit
        self.needs[row] = len(request.prompt) + job.limit
        self.streams[row], self.stops[row] = stream, stop_row
        self.temperatures[row], self.top_p[row] = request.temperature, request.top_p
        if job.limit > self.tokens.shape[1]:
            self.tokens, self.logprobs = (_widened(a, job.limit) for a in (self.tokens, self.logprobs))
        return row

    def record(self, first: int, tokens: NDArray[np.int64], logprobs: NDArray[np.float32]) -> None:
        """Append one drawn token to each row from `first` on."""
        span = slice(first, self.active)
        rows = np.arange(first, self.active)
        self.last[span] = tokens
        self.tokens[rows, self.drawn[span]] = tokens
        self.logprobs[rows, self.drawn[span]] = logprobs
        self.drawn[span] += 1
        self.lengths[span] += 1

    def drop(self, finished: list[int]) -> tuple[list[int], list[int]]:
        """Close the holes that finished rows leave with the last rows; which rows moved, as (holes, movers)."""
        gone, kept = set(finished), self.active - len(finished)
        holes = sorted(row for row in gone if row < kept)
        movers = [row for row in range(kept, self.active) if row not in gone]
        if holes:
            for array in self._arrays():
                array[holes] = array[movers]
        for hole, mover in zip(holes, movers, strict=True):
            self.jobs[hole] = self.jobs[mover]
        del self.jobs[kept:]
        self.active = kept
        return holes, movers

    def _arrays(self) -> tuple[NDArray[Any], ...]:
        return (
            *(self.last, self.lengths, self.drawn, self.limits, self.needs, self.streams),
            *(self.temperatures, self.top_p, self.stops, self.tokens, self.logprobs),
        )


def _widened(array: NDArray[Any], width: int) -> NDArray[Any]:
    wider = np.zeros((array.shape[0], max(width, 2 * array.shape[1])), dtype=array.dtype)
    wider[:, : array.shape[1]] = array
    return wider
