"""The forward of a decode step by compiled kernels: one call a layer."""

from __future__ import annotations

import numpy as np
import torch

from ponder.engines import packed
from ponder.engines.kernels import Kernels
from ponder.engines.packed import Packed, Workspace
from ponder.engines.step import Step


def forward(work: Step, first: int, end: int, w: Packed, workspace: Workspace, kernels: Kernels) -> None:
    """As `step.forward`: rows `first` to `end`-1, their logits into `work.logits_BV`; float32 on the CPU."""
    b, kv = workspace.sized(end - first), w.shape.kv_heads
    positions, cells = work.positions_B[first:end], work.cells_B[first:end]
    turns, arena = torch.view_as_real(w.turns).numpy(), work.arena.kv.numpy()
    buffers = tuple(t.numpy() for t in (b.x, b.h, b.fused, b.gate_up, b.act))
    attended, shortest, rows = b.attended.numpy(), float(w.shortest), slice(first * kv, end * kv)
    no_norm, no_bias = np.zeros((w.group + 1, 0), dtype=np.float32), np.zeros(0, dtype=np.float32)
    packed.embed(torch.from_numpy(work.tokens_B[first:end]), w, b)
    for i, (layer, (keys, values)) in enumerate(zip(w.layers, work.slots.arrays, strict=True)):
        weights = tuple(t.numpy() for t in (layer.qkv, layer.out, layer.gate_up, layer.down))
        bias = no_bias if layer.qkv_bias is None else layer.qkv_bias.numpy()
        norm = no_norm if layer.head_norm is None else layer.head_norm.numpy()
        kernels.layer(
            *(kernels.sgemm, weights, bias, shortest, buffers, attended, turns, w.context, norm, w.shape.epsilon),
            *(positions, keys[rows], values[rows], cells, i, arena),
        )
    work.arena.hidden.index_copy_(0, torch.from_numpy(cells), b.x)
    kernels.norm(buffers[0], shortest, buffers[1])
    torch.mm(b.h, w.head, out=work.logits_BV[first:end])
