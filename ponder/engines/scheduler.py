"""Continuous batching: who joins the batch, one token for every row, who leaves. Plain code, no event loop."""

from __future__ import annotations

import time
from collections import deque

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ponder.engines.decoder import Decoder
from ponder.engines.rows import Job, Rows
from ponder.engines.sampling import draw, uniforms
from ponder.engines.stopping import Stops
from ponder.protocols import Completion
from ponder.types import PonderError, StopReason

Finished = list[tuple[Job, Completion]]


class Scheduler:
    """Jobs wait in line until there is a row for them; `step` moves all rows on by one token."""

    def __init__(self, decoder: Decoder, stops: Stops, eos_id: int, max_batch: int, device: torch.device) -> None:
        self._decoder = decoder
        self._stops = stops
        self._eos_id = eos_id
        self._max_batch = max_batch
        self._device = device
        self._rows = Rows(max_batch)
        self._waiting: deque[Job] = deque()
        self.version = 0
        self.tokens_generated = 0
        self.tokens_prefilled = 0
        self.tokens_reused = 0
        self.seconds_busy = 0.0

    @property
    def busy(self) -> bool:
        return bool(self._waiting or self._rows.active)

    @property
    def active(self) -> int:
        """Rows under way."""
        return self._rows.active

    def submit(self, job: Job) -> None:
        self._waiting.append(job)

    def cancel(self, job: Job) -> None:
        """Take a job out, wherever it is; its row is free for the next one."""
        if job in self._waiting:
            self._waiting.remove(job)
        elif job in self._rows.jobs:
            self._rows.leave(self._rows.jobs.index(job))

    def clear(self) -> None:
        """Forget all jobs, after a failure."""
        self._waiting.clear()
        self._rows = Rows(self._max_batch)
        self._decoder.reset()

    def step(self) -> Finished:
        """Admit what fits, draw one token for each row, and return the jobs that ended."""
        started = time.perf_counter()
        finished = self._admit()
        if self._rows.holes:
            self._decoder.compact(self._rows.close_holes())
        if self._rows.size:
            rows = np.arange(self._rows.size)
            # The token drawn last enters the cache at the position before the one that is drawn now.
            logits_BV = self._decoder.decode(self._rows.last[rows], self._rows.lengths[rows] - 1)
            finished += self._advance(rows, logits_BV)
        self.seconds_busy += time.perf_counter() - started
        return finished

    def _admit(self) -> Finished:
        """Prefill jobs from the head of the line while there is a row for the longest that each may become."""
        if self._rows.active and not self._decoder.continuous:
            return []
        joined: dict[int, Job] = {}
        while self._waiting and self._rows.active < self._max_batch:
            job = self._waiting[0]
            if self._rows.active and self._rows.active >= self._decoder.rows(max(self._rows.need, job.need)):
                break
            self._waiting.popleft()
            joined[self._rows.place(job, self._stops.row(job.request.stop))] = job
        if not joined:
            return []
        prefill = self._decoder.prefill([job.request.prompt for job in joined.values()], list(joined))
        for job, computed in zip(joined.values(), prefill.computed, strict=True):
            job.computed = computed
            self.tokens_prefilled += computed
            self.tokens_reused += len(job.request.prompt) - computed
        return self._advance(np.array(list(joined)), prefill.logits_BV)

    def _advance(self, rows: NDArray[np.int64], logits_BV: Tensor) -> Finished:
        """Draw a token for each of these rows, record it and take out the rows that it ended."""
        state = self._rows
        tokens, logprobs = self._draw(rows, logits_BV)
        self.tokens_generated += len(tokens)
        state.record(rows, tokens, logprobs)
        suspects = self._stops.table[state.stops[rows], tokens] | (state.drawn[rows] >= state.limits[rows])
        finished: Finished = []
        for row in rows[suspects].tolist():
            job = state.jobs[row]
            if job is not None and (stop := self._ending(row, job)):
                finished.append((job, self._completion(row, job, stop)))
                state.leave(row)
        return finished

    def _draw(self, rows: NDArray[np.int64], logits_BV: Tensor) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        state = self._rows
        temperatures, top_p = state.temperatures[rows], state.top_p[rows]
        tokens_B, logprobs_B = draw(
            logits_BV,
            self._tensor(uniforms(state.streams[rows], state.lengths[rows])),
            self._tensor(temperatures) if (temperatures != 1).any() else None,
            self._tensor(top_p) if (top_p < 1).any() else None,
        )
        logprobs = logprobs_B.cpu().numpy()
        if not np.isfinite(logprobs).all():
            raise PonderError(
                f"the model gave log-probabilities that are not finite (weights version {self.version}); "
                "load an earlier checkpoint or lower the learning rate"
            )
        return tokens_B.cpu().numpy(), logprobs

    def _tensor(self, array: NDArray[np.float32]) -> Tensor:
        return torch.from_numpy(array).to(self._device)

    def _ending(self, row: int, job: Job) -> StopReason | None:
        state = self._rows
        if state.last[row] == self._eos_id:
            return StopReason.END
        if self._stops.reached(state.tokens[row, : state.drawn[row]].tolist(), job.request.stop):
            return StopReason.STEP
        return job.cut if state.drawn[row] >= state.limits[row] else None

    def _completion(self, row: int, job: Job, stop: StopReason) -> Completion:
        state, drawn = self._rows, self._rows.drawn[row]
        return Completion(
            tokens=tuple(state.tokens[row, :drawn].tolist()),
            logprobs=tuple(state.logprobs[row, :drawn].tolist()),
            stop=stop,
            version=self.version,
            computed=job.computed,
            reused=len(job.request.prompt) - job.computed,
        )
