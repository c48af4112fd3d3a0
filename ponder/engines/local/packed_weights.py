"""The weights of a Llama, Qwen2 or Qwen3 model laid out for generation, and the forward's parts over them.

Small models spend a decode step on reading memory and on calling operations, so the layout saves both: a product's
weights lie as [in, out]; a key head, its value head and the query heads that read it lie side by side, so that
grouped-query attention is one batched product; the two halves that a rotation mixes lie interleaved, so that it is one
complex multiplication, which also scales the queries and leaves the values alone; in float32 all of a norm but the
division by the row's length is multiplied into the product that follows it. The results equal the library's forward to
rounding.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, overload

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import PreTrainedModel

from ponder.models import lean


@dataclass(frozen=True)
class PackedLayer:
    """One layer; norms that are multiplied into the next product are None. `head_norm` is [group+1, D]: q heads, k."""

    norm_in: Tensor | None
    qkv: Tensor
    qkv_bias: Tensor | None
    head_norm: Tensor | None
    out: Tensor
    norm_mid: Tensor | None
    gate_up: Tensor
    down: Tensor


@dataclass(frozen=True)
class Packed:
    """All weights of one version; `group` query heads share a key head.

    `turns` [2 * context, D/2] holds the complex rotation of each position, first scaled for queries, then plain;
    `moves` and `starts` [group+2] lead from a position to the rotations of its queries, key and value (`rotation_for`).
    `shortest` is sqrt(hidden * epsilon), the length under which a norm no longer magnifies a row to its full size.
    """

    shape: lean.Shape
    group: int
    embedding: Tensor
    layers: Sequence[PackedLayer]
    norm_weight: Tensor
    norm_out: Tensor | None
    head: Tensor
    context: int
    turns: Tensor
    moves: Tensor
    starts: Tensor
    shortest: Tensor

    @property
    def copied(self) -> int:
        """Bytes that are copies: layers that are held (`held`), and the head with its norm."""
        products = ("qkv", "out", "gate_up", "down")
        held = [] if isinstance(self.layers, Laid) else [getattr(layer, p) for layer in self.layers for p in products]
        return sum(tensor.nbytes for tensor in (*held, self.head))

    def without_head(self) -> Packed:
        """For those who compute with a layout of their own: the head [0, V] holds no numbers."""
        return replace(self, head=self.head.new_empty(0, self.head.shape[1]))


class Laid(Sequence[PackedLayer]):
    """The layers of a model, each laid out when it is asked for, so that they are never all in memory."""

    def __init__(self, model: PreTrainedModel) -> None:
        self._model, self._shape = model, lean.Shape.of(model)

    def __len__(self) -> int:
        return int(self._model.config.num_hidden_layers)

    @overload
    def __getitem__(self, index: int) -> PackedLayer: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[PackedLayer, ...]: ...
    def __getitem__(self, index: int | slice) -> PackedLayer | tuple[PackedLayer, ...]:
        if isinstance(index, slice):
            return tuple(self[i] for i in range(*index.indices(len(self))))
        if not 0 <= index < len(self):
            raise IndexError(index)
        return _pack_layer(lean.layer(self._model, index), self._shape)


def pack(model: PreTrainedModel, context: int) -> Packed:
    """The module's weights in the layout; layers are laid out when they are asked for, `held` lays out all."""
    shape = lean.Shape.of(model)
    cos, sin = lean.rotary(model, context, model.device)
    half = shape.head_dim // 2
    turns = torch.complex(cos[:, :half].contiguous(), sin[:, :half].contiguous())
    parts: Any = model  # the supported families share these names, which the library's types do not show
    norm = parts.base_model.norm.weight.detach()
    # A model without an output head (a token classifier) is asked for hidden states alone.
    weight = parts.lm_head.weight.detach() if hasattr(model, "lm_head") else norm.new_zeros(0, len(norm))
    head, norm_out = _absorb(weight, norm)
    group = shape.heads // shape.kv_heads
    return Packed(
        shape=shape,
        group=group,
        embedding=parts.base_model.embed_tokens.weight.detach(),
        layers=Laid(model),
        norm_weight=norm,
        norm_out=norm_out,
        head=head,
        shortest=head.new_tensor((head.shape[0] * shape.epsilon) ** 0.5),
        context=context,
        turns=torch.cat([turns * shape.head_dim**-0.5, turns]),
        # On the device once: a step that is being recorded on a GPU may copy nothing from here.
        moves=torch.tensor([1] * (group + 1) + [0], device=turns.device),
        starts=torch.tensor([0] * group + [context] * 2, device=turns.device),
    )


def held(packed: Packed) -> Packed:
    """The same with copies of all products, [in, out] in one piece, which do not follow later changes of the module."""
    parts = ("qkv", "out", "gate_up", "down")
    layers = [replace(layer, **{p: getattr(layer, p).contiguous() for p in parts}) for layer in packed.layers]
    return replace(packed, layers=tuple(layers), head=packed.head.contiguous())


@torch.no_grad()
def renew(old: Packed, new: Packed) -> bool:
    """Write the numbers of `new` into the tensors of `old`, which `held` made, where they lie.

    Steps that were recorded on a GPU read those addresses, so they stay good. False, and nothing happens, if they
    differ in kind or in shape.
    """
    if isinstance(old.layers, Laid) or len(old.layers) != len(new.layers):
        return False
    if _tensors(old).keys() != _tensors(new).keys() or old.head.shape != new.head.shape:
        return False
    _write(old, new)
    for before, after in zip(old.layers, new.layers, strict=True):  # one after the other: `new` lays out one at a time
        _write(before, after)
    return True


def _tensors(part: Packed | PackedLayer) -> dict[str, Tensor]:
    return {f.name: value for f in fields(part) if isinstance(value := getattr(part, f.name), Tensor)}


def _write(old: Packed | PackedLayer, new: Packed | PackedLayer) -> None:
    fresh = _tensors(new)
    for name, tensor in _tensors(old).items():
        if tensor.data_ptr() != fresh[name].data_ptr():
            tensor.copy_(fresh[name])


def _pack_layer(layer: lean.Layer, shape: lean.Shape) -> PackedLayer:
    rows = _head_order(shape).to(layer.qkv.device)
    qkv, norm_in = _absorb(layer.qkv[rows], layer.norm_in)
    gate_up, norm_mid = _absorb(layer.gate_up, layer.norm_mid)
    head_norm = None
    if layer.q_norm is not None and layer.k_norm is not None:
        group = shape.heads // shape.kv_heads
        pairs = _pairs(shape.head_dim).to(layer.qkv.device)
        head_norm = torch.stack([layer.q_norm[pairs]] * group + [layer.k_norm[pairs]])
    return PackedLayer(
        norm_in=norm_in,
        qkv=qkv,
        qkv_bias=None if layer.qkv_bias is None else layer.qkv_bias[rows],
        head_norm=head_norm,
        out=layer.out.t(),
        norm_mid=norm_mid,
        gate_up=gate_up,
        down=layer.down.t(),
    )


def _absorb(weight: Tensor, norm: Tensor) -> tuple[Tensor, Tensor | None]:
    """[out, in] to [in, out], times the norm's weight; below float32 that would round once more, so it stays apart."""
    if weight.dtype != torch.float32:
        return weight.t(), norm
    return (weight * norm).mul_(norm.numel() ** 0.5).t(), None


def _pairs(head_dim: int) -> Tensor:
    """The order that puts dimension i beside i + D/2, the one that the rotation mixes with it."""
    return torch.arange(head_dim).view(2, -1).t().reshape(-1)


def _head_order(shape: lean.Shape) -> Tensor:
    """Rows of the stacked q, k and v weights in the order: for each key head its queries, itself, its values."""
    heads, kv, dim = shape.heads, shape.kv_heads, shape.head_dim
    paired = torch.arange((heads + kv) * dim).view(-1, dim)[:, _pairs(dim)]
    q, k = paired[:heads].view(kv, -1, dim), paired[heads:, None]
    v = torch.arange((heads + kv) * dim, (heads + 2 * kv) * dim).view(kv, 1, dim)
    return torch.cat([q, k, v], dim=1).reshape(-1)


class Workspace:
    """Memory for what lies between the products of one thread, taken once and used by every layer and step.

    Fresh memory costs a page fault every four kilobytes, which on the CPU was half the time of a decode step.
    """

    def __init__(self, packed: Packed) -> None:
        self._packed = packed
        self._rows = 0
        self._scores = packed.layers[0].down.new_empty(0)

    def sized(self, rows: int) -> Buffers:
        """Buffers of exactly so many rows; what they held before is lost."""
        p, layer = self._packed, self._packed.layers[0]
        if rows > self._rows:
            self._rows = rows
            parts = p.group + 2
            heads = (len(p.layers), rows, p.shape.kv_heads, parts, p.shape.head_dim)
            hidden, inner = layer.down.shape[1], layer.down.shape[0]
            new = layer.down.new_empty
            self._all = Buffers(
                x=new(rows, hidden),
                h=new(rows, hidden),
                length=new(rows, 1),
                fused=new(rows, layer.qkv.shape[1]),
                heads=new(heads),
                gate_up=new(rows, 2 * inner),
                act=new(rows, inner),
                attended=new(rows * p.shape.kv_heads, p.group, p.shape.head_dim),
            )
            self._now = self._all
        if rows != len(self._now.x):
            a = self._all
            self._now = Buffers(
                x=a.x[:rows],
                h=a.h[:rows],
                length=a.length[:rows],
                fused=a.fused[:rows],
                heads=a.heads[:, :rows],
                gate_up=a.gate_up[:rows],
                act=a.act[:rows],
                attended=a.attended[: rows * p.shape.kv_heads],
            )
        return self._now

    def scores(self, *shape: int) -> Tensor:
        """Attention scores of this shape."""
        size = math.prod(shape)
        if size > len(self._scores):
            self._scores = self._scores.new_empty(2 * size)
        return self._scores[:size].view(shape)


@dataclass(frozen=True)
class Buffers:
    """What one forward of N tokens writes; `heads` keeps queries, keys and values of all layers."""

    x: Tensor
    h: Tensor
    length: Tensor
    fused: Tensor
    heads: Tensor
    gate_up: Tensor
    act: Tensor
    attended: Tensor


def rotation_for(packed: Packed, positions_N: Tensor) -> Tensor:
    """Complex factors [N, 1, group+2, D/2]: queries turned and scaled, the key turned, the value (position 0) kept."""
    return packed.turns[torch.addcmul(packed.starts, positions_N[:, None], packed.moves)][:, None]


def embed(ids_N: Tensor, packed: Packed, b: Buffers) -> Tensor:
    """The start of the residual stream [N, hidden], in the buffer."""
    return torch.index_select(packed.embedding, 0, ids_N, out=b.x)


def project(x_NH: Tensor, index: int, packed: Packed, rotation: Tensor, b: Buffers) -> Tensor:
    """Residual stream [N, hidden] to the rotated heads [N, K, group+2, D] of layer `index`: queries, key, value."""
    layer = packed.layers[index]
    heads_of(normed(x_NH, layer.norm_in, packed, b), layer, b)
    heads = b.heads[index]
    kv, parts, dim = packed.shape.kv_heads, packed.group + 2, packed.shape.head_dim
    if layer.head_norm is not None:
        scored = b.fused.view(-1, kv, parts, dim)[:, :, :-1]
        scored.copy_(F.rms_norm(scored, (dim,), None, packed.shape.epsilon) * layer.head_norm)
    # Below float32 the rotation is computed in float32 and rounded once.
    pairs = torch.view_as_complex(b.fused.float().view(-1, kv, parts, dim // 2, 2))
    if heads.dtype == torch.float32:
        torch.mul(pairs, rotation, out=torch.view_as_complex(heads.view(-1, kv, parts, dim // 2, 2)))
    else:
        heads.copy_(torch.view_as_real(pairs * rotation).view(heads.shape))
    return heads


def heads_of(h_NH: Tensor, layer: PackedLayer, b: Buffers) -> None:
    """Normalised input to queries, keys and values as the product gives them, in `b.fused`."""
    if layer.qkv_bias is None:
        torch.mm(h_NH, layer.qkv, out=b.fused)
    else:
        torch.addmm(layer.qkv_bias, h_NH, layer.qkv, out=b.fused)


def finish(x_NH: Tensor, attended: Tensor, index: int, packed: Packed, b: Buffers) -> Tensor:
    """Residual after attention ([N, H*D]) and the SwiGLU block, in place."""
    layer = packed.layers[index]
    x_NH.addmm_(attended, layer.out)
    torch.mm(normed(x_NH, layer.norm_mid, packed, b), layer.gate_up, out=b.gate_up)
    gate, up = b.gate_up.chunk(2, dim=-1)
    torch.ops.aten.silu.out(gate, out=b.act)
    return x_NH.addmm_(b.act.mul_(up), layer.down)


def normed(x_NH: Tensor, weight: Tensor | None, packed: Packed, b: Buffers) -> Tensor:
    """Root-mean-square norm (Zhang and Sennrich 2019); without a weight, in a third of the time of torch's own.

    x / sqrt(mean(x^2) + epsilon) = sqrt(H) * x / hypot(|x|, sqrt(H * epsilon)); the product that follows has sqrt(H).
    """
    if weight is not None:
        return F.rms_norm(x_NH, x_NH.shape[-1:], weight, packed.shape.epsilon)
    torch.linalg.vector_norm(x_NH, dim=-1, keepdim=True, out=b.length)
    torch.hypot(b.length, packed.shortest, out=b.length)
    return torch.div(x_NH, b.length, out=b.h)


def final(x_NH: Tensor, packed: Packed) -> Tensor:
    """The final norm, with its weight: what a head reads."""
    return F.rms_norm(x_NH, x_NH.shape[-1:], packed.norm_weight, packed.shape.epsilon)


def logits(x_NH: Tensor, packed: Packed) -> Tensor:
    """Final norm and output head: [N, hidden] to [N, V]."""
    if packed.norm_out is not None:
        return torch.mm(final(x_NH, packed), packed.head)
    length = torch.hypot(torch.linalg.vector_norm(x_NH, dim=-1, keepdim=True), packed.shortest)
    return torch.mm(x_NH / length, packed.head)
