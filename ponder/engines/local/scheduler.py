"""Continuous batching: who joins the batch, one token for everyone, who leaves. Plain code, no event loop.

Requests with one prompt run as one row of the decoder for as long as they draw the same tokens, and fork where they
differ: a token after a given prefix is computed once, however many samples share it.
"""

from __future__ import annotations

import time
from collections import deque
from itertools import islice

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ponder.engines.local.decoder import Decoder
from ponder.engines.local.rows import Job, Rows
from ponder.engines.local.sampling import bounded, drawn, uniforms
from ponder.engines.local.stopping import Stops
from ponder.protocols import Completion
from ponder.types import PonderError, StopReason

Finished = list[tuple[Job, Completion]]


class Scheduler:
    """Jobs wait in line until there is a row for them; `step` moves all rows on by one token."""

    def __init__(self, decoder: Decoder, stops: Stops, max_batch: int) -> None:
        self._decoder = decoder
        self._stops = stops
        self._max_batch = max_batch
        self._rows = Rows()
        self._left = False  # whether someone left since the decoder last heard
        self._waiting: deque[Job] = deque()
        self.version = 0
        self.tokens_generated = 0
        self.tokens_prefilled = 0
        self.tokens_reused = 0
        self.steps = 0  # of the decoder; tokens_generated / steps is how many requests a step served
        self.seconds_busy = 0.0

    @property
    def busy(self) -> bool:
        return bool(self._waiting or self._rows.active)

    @property
    def active(self) -> int:
        """Requests under way."""
        return self._rows.active

    def submit(self, job: Job) -> None:
        self._waiting.append(job)

    def cancel(self, job: Job) -> None:
        """Take a job out, wherever it is; its row is free for the next one."""
        if job in self._waiting:
            self._waiting.remove(job)
            _tell(job, 0)
        elif job in self._rows.jobs:
            row = self._rows.jobs.index(job)
            _tell(job, int(self._rows.drawn[row]))
            self._leave([row])

    def clear(self) -> None:
        """Forget all jobs, after a failure."""
        for row in self._rows.running.tolist():
            if (job := self._rows.jobs[row]) is not None:
                _tell(job, int(self._rows.drawn[row]))
        for job in self._waiting:
            _tell(job, 0)
        self._waiting.clear()
        self._rows = Rows()
        self._left = False
        self._decoder.reset()

    def interrupt(self) -> None:
        """Take every request off its row, because the weights change; each goes on from its text so far, in order.

        The draws depend on seed and position alone, so with the same weights it would end as if nothing had happened.
        """
        state, stopped = self._rows, []
        for index in state.running.tolist():
            job = state.jobs[index]
            assert job is not None  # a running index has a job
            drawn = int(state.drawn[index])
            job.said += tuple(state.tokens[index, :drawn].tolist())
            job.logprobs += tuple(state.logprobs[index, :drawn].tolist())
            job.versions += (self.version,) * drawn
            stopped.append(job)
        self._waiting.extendleft(reversed(stopped))
        self._rows, self._left = Rows(), False

    def step(self) -> Finished:
        """Admit what fits, draw one token for everyone, and return the jobs that ended."""
        started = time.perf_counter()
        self._settle()
        finished = self._admit()
        if self._rows.active:
            finished += self._decode()
        self.seconds_busy += time.perf_counter() - started
        return finished

    def _decode(self) -> Finished:
        state, running = self._rows, self._rows.running
        # Whoever shares a row has drawn the same token; it enters the cache before the one that is drawn now.
        speaker = np.empty(self._decoder.active, dtype=np.int64)
        speaker[state.slot[running]] = running
        logits_BV = self._decoder.decode(state.last[speaker], state.lengths[speaker] - 1)
        self.steps += 1
        finished = self._advance(running, logits_BV, state.slot[running])
        self._settle()
        return finished

    def _settle(self) -> None:
        """Rows of the decoder as the drawn tokens demand: forked where they differ, ended where nobody is left."""
        if self._left or self._rows.active != self._decoder.active:
            self._left = False
            order = self._rows.regroup() if self._rows.active else []
            if order != list(range(self._decoder.active)):
                self._decoder.select(order)

    def _leave(self, indices: list[int]) -> None:
        self._rows.leave(indices)
        self._left = True

    def _admit(self) -> Finished:
        """Let jobs from the head of the line join while there is a row for the longest that each may become."""
        if not self._waiting or (self._rows.active and not self._decoder.continuous):
            return []
        joined: list[Job] = []
        slots: dict[tuple[int, ...], int] = {}
        room, need = self._decoder.room, self._rows.need
        while self._waiting and (active := self._rows.active + len(joined)) < self._max_batch:
            job = self._waiting[0]
            prompt, need = job.text, max(need, job.need)
            if active and (active >= self._decoder.rows(need) or (prompt not in slots and len(prompt) > room)):
                break
            if prompt not in slots:
                if active and not self._whole(prompt, self._max_batch - active):
                    break
                slots[prompt] = self._decoder.active + len(slots)
                room -= len(prompt)
            joined.append(self._waiting.popleft())
        if not joined:
            return []
        prefill = self._decoder.prefill(list(slots))
        first = self._decoder.active - len(slots)
        chosen = [slots[job.text] for job in joined]
        for job in joined:
            job.reused += len(job.text)
        for slot, computed in enumerate(prefill.computed, first):
            job = joined[chosen.index(slot)]
            job.computed += computed
            job.reused -= computed
        self.tokens_prefilled += sum(prefill.computed)
        self.tokens_reused += sum(len(job.text) for job in joined) - sum(prefill.computed)
        indices = self._rows.join(joined, chosen, [self._stops.row(job.request.stop) for job in joined])
        finished = self._advance(indices, prefill.logits_BV, np.array(chosen) - first)
        self._settle()
        return finished

    def _whole(self, prompt: tuple[int, ...], free: int) -> bool:
        """Whether a small group of samples would join together: parted, it would compute its common tokens twice."""
        most = self._max_batch // 4
        group = sum(job.text == prompt for job in islice(self._waiting, most + 1))
        return group <= free or group > most

    def _advance(self, indices: NDArray[np.int64], logits_BV: Tensor, rows: NDArray[np.int64]) -> Finished:
        """Draw a token for each of these from its row of logits, record it and take out those that it ended."""
        state = self._rows
        tokens, logprobs = self._draw(indices, logits_BV, rows)
        self.tokens_generated += len(tokens)
        state.record(indices, tokens, logprobs)
        suspects = self._stops.table[state.stops[indices], tokens] | (state.drawn[indices] >= state.limits[indices])
        finished: Finished = []
        left: list[int] = []
        for index in indices[suspects].tolist():
            job = state.jobs[index]
            if job is not None and (stop := self._ending(index, job)):
                finished.append((job, self._completion(index, job, stop)))
                left.append(index)
        if left:
            self._leave(left)
        return finished

    def _draw(
        self, indices: NDArray[np.int64], logits_BV: Tensor, rows: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        state = self._rows
        if state.walks:
            logits_BV, rows = bounded(logits_BV, rows, [state.walks.get(index) for index in indices.tolist()])
        tokens, logprobs = drawn(
            logits_BV,
            rows,
            uniforms(state.streams[indices], state.lengths[indices]),
            state.temperatures[indices],
            state.top_p[indices],
        )
        if not np.isfinite(logprobs).all():
            raise PonderError(
                f"the model gave log-probabilities that are not finite (weights version {self.version}); "
                "load an earlier checkpoint or lower the learning rate"
            )
        if state.walks:
            for index, token in zip(indices.tolist(), tokens.tolist(), strict=True):
                if (walk := state.walks.get(index)) is not None:
                    walk.take(token)
        return tokens, logprobs

    def _ending(self, row: int, job: Job) -> StopReason | None:
        state = self._rows
        if int(state.last[row]) in self._stops.ends:
            return StopReason.END
        if self._stops.reached([*job.said, *state.tokens[row, : state.drawn[row]].tolist()], job.request.stop):
            return StopReason.STEP
        return job.cut if state.drawn[row] >= state.limits[row] else None

    def _completion(self, row: int, job: Job, stop: StopReason) -> Completion:
        state, drawn = self._rows, int(self._rows.drawn[row])
        mixed = job.said and job.versions[0] != self.version
        _tell(job, drawn)
        return Completion(
            tokens=job.said + tuple(state.tokens[row, :drawn].tolist()),
            logprobs=job.logprobs + tuple(state.logprobs[row, :drawn].tolist()),
            stop=stop,
            version=job.versions[0] if job.said else self.version,
            computed=job.computed,
            reused=job.reused,
            versions=job.versions + (self.version,) * drawn if mixed else (),
        )


def _tell(job: Job, drawn: int) -> None:
    """Tell whoever asked what the job cost: `drawn` tokens on its row, and those of before an update."""
    if job.request.drawn is not None:
        job.request.drawn.add(len(job.said) + drawn, job.computed, job.reused)
