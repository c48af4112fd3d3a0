"""Continuous batching: who joins the batch, one token for every row, who leaves. Plain code, no event loop."""

from __future__ import annotations

import time
from collections import deque

import numpy as np
import torch
from torch import Tensor

from ponder.engines.decoder import Decoder
from ponder.engines.rows import Job, Rows
from ponder.engines.sampling import draw, stream, uniforms
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
        """Take a job out, wherever it is; its row is free for the next step."""
        if job in self._waiting:
            self._waiting.remove(job)
        elif job in self._rows.jobs:
            self._drop([self._rows.jobs.index(job)])

    def clear(self) -> None:
        """Forget all jobs and everything derived from the weights."""
        self._waiting.clear()
        self._drop(list(range(self._rows.active)))
        self._decoder.refresh()

    def step(self) -> Finished:
        """Admit what fits, draw one token for each row, and return the jobs that ended."""
        started = time.perf_counter()
        finished = self._admit()
        if self._rows.active:
            rows = slice(0, self._rows.active)
            # The token drawn last enters the cache at the position before the one drawn now.
            logits_BV = self._decoder.decode(self._rows.last[rows], self._rows.lengths[rows] - 1)
            finished += self._advance(0, logits_BV)
        self.seconds_busy += time.perf_counter() - started
        return finished

    def _admit(self) -> Finished:
        first = self._rows.active
        if first and not self._decoder.continuous:
            return []
        need = int(self._rows.needs[:first].max(initial=0))
        while self._waiting and self._rows.active < self._max_batch:
            job = self._waiting[0]
            need = max(need, len(job.request.prompt) + job.limit)
            if self._rows.active and self._rows.active >= self._decoder.rows(need):
                break
            self._waiting.popleft()
            self._rows.add(job, stream(job.request.seed), self._stops.row(job.request.stop))
        joined = self._rows.jobs[first:]
        if not joined:
            return []
        prefill = self._decoder.prefill([job.request.prompt for job in joined], first)
        for job, computed in zip(joined, prefill.computed, strict=True):
            job.computed = computed
            self.tokens_prefilled += computed
            self.tokens_reused += len(job.request.prompt) - computed
        return self._advance(first, prefill.logits_BV)

    def _advance(self, first: int, logits_BV: Tensor) -> Finished:
        """Draw a token for each row from `first` on, record it and take out the rows that it ended."""
        rows, span = self._rows, slice(first, self._rows.active)
        top_p = rows.top_p[span]
        tokens_B, logprobs_B = draw(
            logits_BV,
            torch.from_numpy(rows.temperatures[span]).to(self._device),
            torch.from_numpy(uniforms(rows.streams[span], rows.lengths[span])).to(self._device),
            torch.from_numpy(top_p).to(self._device) if (top_p < 1).any() else None,
        )
        tokens, logprobs = tokens_B.cpu().numpy(), logprobs_B.cpu().numpy()
        if not np.isfinite(logprobs).all():
            raise PonderError(
                f"the model gave log-probabilities that are not finite (weights version {self.version}); "
                "load an earlier checkpoint or lower the learning rate"
            )
        self.tokens_generated += len(tokens)
        rows.record(first, tokens, logprobs)
        suspects = self._stops.table[rows.stops[span], tokens] | (rows.drawn[span] >= rows.limits[span])
        ended = {row: stop for row in (np.flatnonzero(suspects) + first).tolist() if (stop := self._ending(row))}
        finished = [(rows.jobs[row], self._completion(row, stop)) for row, stop in ended.items()]
        self._drop(list(ended))
        return finished

    def _ending(self, row: int) -> StopReason | None:
        rows, job = self._rows, self._rows.jobs[row]
        if rows.last[row] == self._eos_id:
            return StopReason.END
        if self._stops.reached(rows.tokens[row, : rows.drawn[row]].tolist(), job.request.stop):
            return StopReason.STEP
        return job.cut if rows.drawn[row] >= rows.limits[row] else None

    def _completion(self, row: int, stop: StopReason) -> Completion:
        rows, job = self._rows, self._rows.jobs[row]
        return Completion(
            tokens=tuple(rows.tokens[row, : rows.drawn[row]].tolist()),
            logprobs=tuple(rows.logprobs[row, : rows.drawn[row]].tolist()),
            stop=stop,
            version=self.version,
            computed=job.computed,
            reused=len(job.request.prompt) - job.computed,
        )

    def _drop(self, finished: list[int]) -> None:
        if finished:
            holes, movers = self._rows.drop(finished)
            self._decoder.compact(holes, movers, self._rows.active)
