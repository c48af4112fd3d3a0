"""Attention over packed tokens, with its gradient written out: rotate, gather tiles, two products round a softmax.

softmax(q k^T / sqrt(D)) v (Vaswani et al. 2017, equation 1), causal, queries of H heads reading the keys of K
(grouped-query attention: one product serves all query heads of a key head). A stem's keys are gathered for each of its
branches and their gradients summed over them. On the CPU this takes half the time of torch's fused kernel for rows of
a few hundred tokens, whose backward pass in bfloat16 is slower than in float32.

In float32 on the CPU `native/attention` does all of it in compiled code. Here, for everything else: probabilities of a
tile with more than `_KEPT` keys are computed again in the backward pass, so that memory grows with one tile's scores
and not with all of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from ponder.learning.packed.native import attention as native
from ponder.learning.packed.precision import rounding
from ponder.learning.packed.tiles import Layout, Tile, Tiling
from ponder.models.lean import Shape

_KEPT = 512
# The derivative of torch's own softmax in one pass; the operator is public in torch.ops and its Python name is not.
_softmax_backward: Any = getattr(torch.ops.aten, "_softmax_backward_data")  # noqa: B009


def keeps(tile_keys: int) -> bool:
    """Whether the probabilities of a tile with so many keys stay for the backward pass."""
    return tile_keys <= _KEPT


def attend(qkv_NC: Tensor, turns_N: Tensor, layout: Layout, shape: Shape, rounded: bool) -> Tensor:
    """From [N, (H + 2K) * D] before rotary positions, pairs side by side, to [N, H * D].

    `turns_N` [N, 1, D / 2] are the rotations; `rounded`: see `products`. In float32 on the CPU compiled code does it
    where there is a compiler, in half of the time and unrounded.
    """
    code = native.code(qkv_NC, shape)
    out: Tensor = (
        _apply(qkv_NC, turns_N, layout.tiling, shape, rounded)
        if code is None
        else native.apply(qkv_NC, turns_N, layout.groups, shape, code)
    )
    return out


class _Attention(Function):
    @staticmethod
    def forward(ctx: Any, qkv: Tensor, turns: Tensor, layout: Tiling, shape: Shape, rounded: bool) -> Tensor:
        d = shape.head_dim
        heads = _turned(qkv, turns, shape)
        outs, kept = [], []
        for tile in layout.tiles:
            q, k, v = _gathered(heads, tile, shape)
            probs = _probabilities(q, k, tile, shape)
            outs.append(torch.bmm(probs, v).view(-1, d))
            if keeps(tile.shared + tile.own):
                kept.append(probs)
        ctx.save_for_backward(heads, turns, *kept)
        ctx.layout, ctx.shape, ctx.rounded = layout, shape, rounded
        return _joined(outs).index_select(0, layout.heads_back).view(len(qkv), shape.heads * d)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        layout, shape = ctx.layout, ctx.shape
        heads, turns, *kept = ctx.saved_tensors
        with rounding(ctx.rounded):
            to_heads = _to_heads(grad, heads, iter(kept), layout, shape)
        return _turned_back(to_heads, turns, shape).view(len(grad), -1), None, None, None, None


_apply: Any = _Attention.apply


def _to_heads(grad: Tensor, heads: Tensor, kept: Iterator[Tensor], layout: Tiling, shape: Shape) -> Tensor:
    """Gradient of the turned heads of all tokens, [N, C, D]."""
    count, d, kv = len(grad), shape.head_dim, shape.kv_heads
    if layout.ragged:
        grad = torch.cat([grad, grad.new_zeros(1, grad.shape[1])])
    grad_heads = grad.view(-1, d)
    grads: tuple[list[Tensor], ...] = ([], [], [])
    stems = grad.new_zeros(2, layout.stems, kv, layout.longest_stem, d, dtype=torch.float32)
    for tile in layout.tiles:
        q, k, v = _gathered(heads, tile, shape)
        probs = next(kept) if keeps(tile.shared + tile.own) else _probabilities(q, k, tile, shape)
        out = grad_heads.index_select(0, tile.outputs).view_as(q)
        scores = _softmax_backward(torch.bmm(out, v.mT), probs, -1, probs.dtype)
        grads[0].append(torch.bmm(scores, k).view(-1, d))
        for kind, per_key in enumerate((torch.bmm(scores.mT, q), torch.bmm(probs.mT, out))):
            rows = per_key.view(tile.rows, kv, -1, d)
            grads[kind + 1].append(rows[:, :, tile.shared :].reshape(-1, d))
            if tile.shared:
                stems[kind, :, :, : tile.shared].index_add_(0, tile.stems, rows[:, :, : tile.shared].float())
    joined = _joined([part for kind in grads for part in kind])
    back = joined.index_select(0, layout.qkv_back).view(count, -1, d)
    if layout.stems:
        shared = stems.view(-1, d).index_select(0, layout.stems_back.flatten())
        back[: len(layout.stems_back), shape.heads :] += shared.view(-1, 2 * kv, d)
    return back


def _turned(qkv: Tensor, turns: Tensor, shape: Shape) -> Tensor:
    """Rotary positions on queries (scaled by 1 / sqrt(D)) and keys, and a last row of zeros: [(N + 1) * C, D]."""
    heads = qkv.new_empty(len(qkv) + 1, shape.heads + 2 * shape.kv_heads, shape.head_dim)
    heads[-1] = 0.0
    _rotate(qkv.view(heads[:-1].shape), turns, heads[:-1], shape)
    return heads.view(-1, shape.head_dim)


def _turned_back(grad: Tensor, turns: Tensor, shape: Shape) -> Tensor:
    """The transpose of `_turned`: the opposite rotation."""
    out = torch.empty_like(grad)
    _rotate(grad, turns.conj_physical(), out, shape)
    return out


def _rotate(source: Tensor, turns: Tensor, target: Tensor, shape: Shape) -> None:
    """A rotation is a product of complex numbers, which is done in float32."""
    h, turned = shape.heads, shape.heads + shape.kv_heads
    pairs = torch.view_as_complex(source[:, :turned].float().unflatten(-1, (-1, 2)))
    in_place = target.dtype == torch.float32
    out = torch.view_as_complex(target[:, :turned].unflatten(-1, (-1, 2))) if in_place else torch.empty_like(pairs)
    torch.mul(pairs[:, :h], turns * shape.head_dim**-0.5, out=out[:, :h])
    torch.mul(pairs[:, h:], turns, out=out[:, h:])
    if not in_place:
        target[:, :turned] = torch.view_as_real(out).flatten(-2)
    target[:, turned:] = source[:, turned:]


def _gathered(heads: Tensor, tile: Tile, shape: Shape) -> tuple[Tensor, Tensor, Tensor]:
    """Queries [rows * K, H / K * M, D], keys and values [rows * K, P + M, D]."""
    batch, d = tile.rows * shape.kv_heads, shape.head_dim
    q = heads.index_select(0, tile.queries).view(batch, -1, d)
    k, v = (heads.index_select(0, index).view(batch, -1, d) for index in (tile.keys, tile.values))
    return q, k, v


def _probabilities(q: Tensor, k: Tensor, tile: Tile, shape: Shape) -> Tensor:
    """Of [rows * K, H / K * M, P + M], each row of keys one distribution."""
    scores = torch.bmm(q, k.mT)
    scores.view(tile.rows, shape.heads, tile.own, -1).add_(tile.mask)
    return scores.softmax(-1)


def _joined(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts)
