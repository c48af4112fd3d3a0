"""The forward of a decode step with compiled kernels between torch's matrix products: eight calls a layer."""

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
    x, h, fused, gate_up, act = (t.numpy() for t in (b.x, b.h, b.fused, b.gate_up, b.act))
    attended, shortest = b.attended.numpy(), float(w.shortest)
    plain = np.zeros((w.group + 1, 0), dtype=np.float32)
    rows, flat = slice(first * kv, end * kv), b.attended.view(end - first, -1)
    packed.embed(torch.from_numpy(work.tokens_B[first:end]), w, b)
    for i, (layer, (keys, values)) in enumerate(zip(w.layers, work.slots.arrays, strict=True)):
        kernels.norm(x, shortest, h)
        packed.heads_of(b.h, layer, b)
        weight = plain if layer.head_norm is None else layer.head_norm.numpy()
        kernels.attend(
            *(fused, turns, w.context, weight, w.shape.epsilon, positions),
            *(keys[rows], values[rows], cells, i, arena, attended),
        )
        b.x.addmm_(flat, layer.out)
        kernels.norm(x, shortest, h)
        torch.mm(b.h, layer.gate_up, out=b.gate_up)
        kernels.swiglu(gate_up, act)
        b.x.addmm_(b.act, layer.down)
    work.arena.hidden.index_copy_(0, torch.from_numpy(cells), b.x)
    kernels.norm(x, shortest, h)
    torch.mm(b.h, w.head, out=work.logits_BV[first:end])
