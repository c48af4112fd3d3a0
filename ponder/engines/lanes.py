"""A decode step on several threads: each takes a share of the rows through the whole step.

A small model's operations last some ten microseconds, less than it costs to wake torch's own threads for each of them.
Here threads meet once a step. Weights that do not fit into the cores' caches are better read once by all threads
together; then, and on a GPU, there is one lane.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import torch

from ponder.engines import fast_step, kernels, step
from ponder.engines.packed import Packed, Workspace
from ponder.engines.step import Step

_MOST = 4  # python itself runs on one thread at a time, so more lanes would wait for each other
_LEAST_ROWS = 16  # fewer rows a lane and the products lose more than the lane wins
_WEIGHT_BYTES = 64 << 20


class Lanes:
    """Runs steps; each lane keeps a workspace of its own."""

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None

    def refresh(self, weights: Packed) -> None:
        """Use these weights from now on."""
        self._weights = weights
        self._workspaces = [Workspace(weights)]
        layer = weights.layers[0]
        size = len(weights.layers) * sum(t.nbytes for t in (layer.qkv, layer.out, layer.gate_up, layer.down))
        on_cpu = weights.embedding.device.type == "cpu" and weights.head.dtype == torch.float32
        compiles = on_cpu and kernels.available(weights.shape.head_dim)
        self._kernels = kernels.compiled(weights.group, weights.shape.head_dim) if compiles else None
        self._parallel = weights.embedding.device.type == "cpu" and size <= _WEIGHT_BYTES

    def run(self, work: Step) -> None:
        rows, threads = len(work.tokens_B), torch.get_num_threads()
        lanes = max(1, min(threads, _MOST, rows // _LEAST_ROWS)) if self._parallel else 1
        while len(self._workspaces) < lanes:
            self._workspaces.append(Workspace(self._weights))
        if lanes == 1:
            self._lane(work, 0, rows, 0)
            return
        if self._pool is None:
            self._pool = ThreadPoolExecutor(_MOST - 1, "decode", initializer=torch.set_num_threads, initargs=(1,))
        borders = [rows * lane // lanes for lane in range(lanes + 1)]
        others = [
            self._pool.submit(self._lane, work, borders[lane], borders[lane + 1], lane) for lane in range(1, lanes)
        ]
        torch.set_num_threads(1)
        try:
            self._lane(work, 0, borders[1], 0)
        finally:
            torch.set_num_threads(threads)
            for other in others:
                other.result()

    @torch.inference_mode()
    def _lane(self, work: Step, first: int, end: int, lane: int) -> None:
        if self._kernels is None:
            step.forward(work, first, end, self._weights, self._workspaces[lane])
        else:
            fast_step.forward(work, first, end, self._weights, self._workspaces[lane], self._kernels)
