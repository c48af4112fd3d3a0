"""Decode steps on several threads at once: each takes its share of the rows through the whole step.

A small model's operations last some ten microseconds, less than it costs to wake torch's own threads for each of them.
Here threads meet once a step. That pays only for compiled kernels, which leave python's lock alone: threads that fight
for it at every call of torch are slower than one (measured: twice the time of torch's own threads). Weights that do
not fit into the cores' caches are better read once by all threads together; then, too, there is one lane.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import torch

from ponder.engines.packed import Packed, Workspace

Share = Callable[[Workspace], None]

_MOST = 4  # python itself runs on one thread at a time, so more lanes would wait for each other
_LEAST_ROWS = 16  # fewer rows a lane and the products lose more than the lane wins
_WEIGHT_BYTES = 64 << 20


class Lanes:
    """Runs shares; each lane keeps a workspace of its own."""

    def __init__(self, weights: Packed) -> None:
        self._pool: ThreadPoolExecutor | None = None
        self.refresh(weights)

    def refresh(self, weights: Packed) -> None:
        """Use these weights from now on."""
        self._weights = weights
        self._workspaces = [Workspace(weights)]
        layer = weights.layers[0]
        size = len(weights.layers) * sum(t.nbytes for t in (layer.qkv, layer.out, layer.gate_up, layer.down))
        self._parallel = size <= _WEIGHT_BYTES

    @property
    def most(self) -> int:
        """Lanes that may run at once."""
        return min(torch.get_num_threads(), _MOST) if self._parallel else 1

    def borders(self, rows: int) -> list[int]:
        """Where to cut the rows of a step into shares."""
        shares = max(1, min(self.most, rows // _LEAST_ROWS))
        return [rows * share // shares for share in range(shares + 1)]

    def run(self, shares: Sequence[Share]) -> None:
        """All of these; the first error is raised after every lane has stopped."""
        lanes, line = min(self.most, len(shares)), deque(shares)
        while len(self._workspaces) < lanes:
            self._workspaces.append(Workspace(self._weights))
        if self.most == 1:
            self._drain(line, self._workspaces[0])
            return
        if self._pool is None:
            # Setting a thread's number of threads anew at every step would cost more than handing the step over.
            self._pool = ThreadPoolExecutor(_MOST, "lane", initializer=torch.set_num_threads, initargs=(1,))
        running = [self._pool.submit(self._drain, line, workspace) for workspace in self._workspaces[:lanes]]
        errors = [error for lane in running if (error := lane.exception())]
        if errors:
            raise errors[0]

    @torch.inference_mode()
    def _drain(self, line: deque[Share], workspace: Workspace) -> None:
        while line:
            try:
                share = line.popleft()
            except IndexError:  # another lane was faster
                return
            share(workspace)
