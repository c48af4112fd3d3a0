"""Decode steps recorded once and replayed, on CUDA: a step launches hundreds of small kernels, a replay launches one.

A recording is of fixed shapes and addresses. So rows are rounded up to a multiple of 32 (the added ones compute at
position 0 of slots that nobody reads, into the cell that nobody reads) and lengths to a multiple of 128 behind the
mask, and a recording is good for as long as the memory of slots and cells stays where it is. Recording is handed in,
so that everything but the replay itself is tested without a GPU; figures of an H100: docs/benchmarks.md, "One GPU".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ponder.engines.local.packed_weights import Packed, Workspace
from ponder.engines.local.prefix.arena import NOWHERE
from ponder.engines.local.step import Span, Step, compute

_ROWS, _LENGTH = 32, 128

Replay = Callable[[], Tensor]
Record = Callable[[Callable[[], Tensor]], Replay]


@dataclass(frozen=True)
class Recording:
    """A step of fixed shape: where its inputs are put, and what runs it and gives its logits."""

    inputs: Tensor
    replay: Replay


class Graphs:
    """Runs steps by recordings of their shape.

    `recorder` gives what turns a function into one that repeats what it launched. Whenever no recording is left a new
    one is asked for, since memory that recordings shared cannot be shared again once all of them are gone.
    """

    def __init__(self, recorder: Callable[[], Record]) -> None:
        self._recorder = recorder
        self._recordings: dict[tuple[int, ...], Recording] = {}
        self._record: Record | None = None
        self._memory: tuple[object, ...] = ()
        self._logits_BV: Tensor | None = None  # of the step that ran last, whatever its recording

    def forget(self) -> None:
        """New weights lie elsewhere."""
        self._recordings.clear()
        self._record, self._logits_BV = None, None

    def run(self, work: Step, w: Packed) -> None:
        """As `step.forward`."""
        rows = _up(len(work.tokens_B), _ROWS)
        longest = _up(int(work.positions_B.max()) + 1, _LENGTH)
        work.slots.reserve(rows, longest)
        # Memory that was given back and taken again may lie at the old address in another shape.
        memory = (work.slots.pointers.tobytes(), work.slots.length, work.arena.kv.data_ptr(), len(work.arena.kv))
        if memory != self._memory:
            self.forget()
            self._memory = memory
        if self._logits_BV is None or len(self._logits_BV) < rows:
            self.forget()
            self._logits_BV = work.logits_BV.new_empty(rows, work.logits_BV.shape[1])
        if (rows, longest) not in self._recordings:
            self._recordings[rows, longest] = self._recorded(work, rows, longest, w, self._logits_BV[:rows])
        recording = self._recordings[rows, longest]
        recording.inputs.copy_(torch.from_numpy(_padded(work, rows)))
        work.logits_BV.copy_(recording.replay()[: len(work.tokens_B)])

    def _recorded(self, work: Step, rows: int, longest: int, w: Packed, logits_BV: Tensor) -> Recording:
        # Real inputs: the trial runs that come before a recording write what the replay will write again.
        inputs = torch.from_numpy(_padded(work, rows)).to(work.logits_BV.device)
        span = Span(0, rows, longest, ragged=True)

        def step() -> Tensor:
            # A workspace of its own, so that its memory comes out of the recordings' pool and is there for the next.
            return logits_BV.copy_(compute(inputs, [span], work.slots, work.arena, w, Workspace(w)))

        self._record = self._record or self._recorder()
        return Recording(inputs, self._record(step))


class CudaRecord:
    """Records on CUDA. All recordings take what lies between their operations from one pool of memory.

    That is safe because one is replayed at a time and its logits are copied before the next; with a pool for each, the
    workspace of every shape would stay.
    """

    def __init__(self) -> None:
        self._pool: Any = None

    def __call__(self, function: Callable[[], Tensor]) -> Replay:
        """Run twice on a side stream, as recording demands, then record."""
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(2):
                function()
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool):
            output = function()
        self._pool = self._pool or graph.pool()

        def replay() -> Tensor:
            graph.replay()
            return output

        return replay


def _up(count: int, step: int) -> int:
    return -(-count // step) * step


def _padded(work: Step, rows: int) -> NDArray[np.int64]:
    """Tokens, positions and cells [3, rows]; added rows have token and position 0 and go nowhere."""
    more = rows - len(work.tokens_B)
    arrays = (work.tokens_B, work.positions_B, work.cells_B)
    return np.stack([np.concatenate([a, np.full(more, NOWHERE)]) for a in arrays])
