"""The forwards of forward.cpp and wide.cpp over a packed model: whom they serve, weights in panels, one call a batch.

What it computes for a token does not depend on the batch, to the last bit, nor on whether the token was drawn, scored
or read as part of a prompt.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ponder.engines.cpu.slots import SOURCE as SLOTS_SOURCE
from ponder.engines.cpu.slots import Slots
from ponder.engines.local.packed_weights import Packed, PackedLayer
from ponder.engines.local.prefix.arena import Arena
from ponder.native.compiler import library, pool
from ponder.types import PonderError

_SMALL, _WIDE = (Path(__file__).with_name(name) for name in ("forward.cpp", "wide.cpp"))
_HEADS, _INNER = 16, 32  # widths are whole numbers of the widest vectors and panels, whatever the machine has
_SHARE = 48  # tokens; small enough to part work evenly between threads that are not equally free
# Weights that fit into no core's cache are better read once for all rows than once by each thread (wide.cpp).
_SMALL_BYTES = 64 << 20

Indices = NDArray[np.int64]

_pointer, _size = ctypes.c_void_p, ctypes.c_int64


class _Layer(ctypes.Structure):
    _fields_ = [(name, _pointer) for name in ("qkv", "bias", "head_norm", "out", "gate_up", "down")]


class _Model(ctypes.Structure):
    _fields_ = [
        *((name, _size) for name in ("layers", "hidden", "inner", "key_heads", "vocabulary", "context")),
        *((name, ctypes.c_float) for name in ("shortest", "epsilon")),
        *((name, _pointer) for name in ("embedding", "turns", "head")),
        ("layer", ctypes.POINTER(_Layer)),
    ]


class _Work(ctypes.Structure):
    _fields_ = [
        ("length", _size),
        *((name, _pointer) for name in ("tokens", "positions", "slots", "cells")),
        *((name, _pointer) for name in ("keys", "values")),
        *((name, _pointer) for name in ("arena", "hidden", "logits")),
        ("shares", _size),
        ("borders", _pointer),
    ]


@dataclass(frozen=True)
class Batch:
    """N tokens: their positions, the slots whose earlier positions they see, and the cells that keep what is computed.

    Tokens from `borders[i]` to before `borders[i + 1]` are a share, which one thread computes in order: those of one
    text belong together.
    """

    tokens_N: Indices
    positions_N: Indices
    slots_N: Indices
    cells_N: Indices
    borders: Indices


@dataclass(frozen=True)
class Native:
    """One version of the weights, ready to run. Made by `native`."""

    _library: ctypes.CDLL
    _model: _Model
    _kept: tuple[Any, ...]  # what `_model` points into
    copied: int  # bytes of it that are not the module's own

    def forward(self, batch: Batch, slots: Slots, arena: Arena, logits_NV: Tensor | None = None) -> None:
        """Keys and values into slots and arena, hidden states into the arena, logits into `logits_NV` if given."""
        keys, values = slots.pointers
        arrays = (batch.tokens_N, batch.positions_N, batch.slots_N, batch.cells_N, keys, values)
        told = _Work(
            slots.length,
            *(array.ctypes.data for array in arrays),
            *(arena.kv.data_ptr(), arena.hidden.data_ptr(), None if logits_NV is None else logits_NV.data_ptr()),
            *(len(batch.borders) - 1, batch.borders.ctypes.data),
        )
        if self._library.run(ctypes.byref(self._model), ctypes.byref(told), pool(), torch.get_num_threads()):
            raise PonderError(f"no memory for a batch of {len(batch.tokens_N)} tokens; lower `max_batch`")

    def logits(self, hidden_NH: Tensor) -> Tensor:
        """Final norm and output head: [N, hidden], contiguous, to [N, V]."""
        out = hidden_NH.new_empty(len(hidden_NH), self._model.vocabulary)
        told = _size(len(hidden_NH)), _pointer(hidden_NH.data_ptr()), _pointer(out.data_ptr())
        if self._library.logits(ctypes.byref(self._model), *told, pool(), torch.get_num_threads()):
            raise PonderError(f"no memory for the logits of {len(hidden_NH)} tokens; lower `max_batch`")
        return out


def serves(weights: Packed) -> bool:
    """Whether compiled code can compute this model: float32 on the CPU, of widths that fill vectors."""
    head, layer = weights.head, weights.layers[0]
    return (
        head.device.type == "cpu"
        and head.dtype == torch.float32
        and weights.shape.head_dim % _HEADS == 0
        and layer.down.shape[0] % _INNER == layer.down.shape[1] % _INNER == 0
        and head.shape[1] <= len(weights.embedding)  # what is drawn is looked up unchecked
    )


def source(weights: Packed) -> Path:
    """The forward for weights of this size: a thread takes tokens through all layers, or all threads go together."""
    layer = weights.layers[0]
    size = len(weights.layers) * sum(t.nbytes for t in (layer.qkv, layer.out, layer.gate_up, layer.down))
    return _SMALL if size <= _SMALL_BYTES else _WIDE


def native(weights: Packed) -> Native | None:
    """The compiled forward over these weights, or None where it does not serve them or there is no compiler."""
    if not serves(weights):
        return None
    code = library(source(weights), (("GROUP", weights.group), ("HEAD", weights.shape.head_dim)))
    if code is None or library(SLOTS_SOURCE) is None:
        return None
    panel, kept = code.panel_width(), []

    def hold(tensor: Tensor | None) -> int | None:
        if tensor is None:
            return None
        kept.append(tensor.contiguous())
        return int(kept[-1].data_ptr())

    def told(layer: PackedLayer) -> Iterator[int | None]:
        yield from (hold(panels(layer.qkv, panel)), hold(layer.qkv_bias), hold(layer.head_norm))
        yield from (hold(panels(t, panel)) for t in (layer.out, layer.gate_up, layer.down))

    layers = (_Layer * len(weights.layers))(*(_Layer(*told(layer)) for layer in weights.layers))
    inner, hidden = weights.layers[0].down.shape
    vocabulary = weights.head.shape[1]
    model = _Model(
        *(len(layers), hidden, inner, weights.shape.kv_heads, vocabulary, weights.context),
        *(float(weights.shortest), weights.shape.epsilon),
        *(hold(weights.embedding), hold(turns(weights)), hold(panels(weights.head, panel))),
        layers,
    )
    copied = sum(tensor.nbytes for tensor in kept if tensor.data_ptr() != weights.embedding.data_ptr())
    return Native(code, model, (layers, *kept), copied)


def panels(matrix: Tensor, width: int) -> Tensor:
    """[in, out] as [out / width, in, width], the last panel filled up with zeros."""
    more = -matrix.shape[1] % width
    wide = torch.nn.functional.pad(matrix, (0, more)) if more else matrix
    return wide.view(len(matrix), -1, width).transpose(0, 1).contiguous()


def turns(weights: Packed) -> Tensor:
    """The rotations as [2 * context, 2, D]: cosines twice each, and sines that are negative for the first of a pair."""
    cos, sin = weights.turns.real, weights.turns.imag
    return torch.stack([torch.stack([cos, cos], -1).flatten(1), torch.stack([-sin, sin], -1).flatten(1)], 1)


def even(tokens: int) -> Indices:
    """Borders of shares for tokens that do not hang on each other: as many for each thread."""
    threads = torch.get_num_threads()
    shares = threads * max(1, round(tokens / (threads * _SHARE)))
    return np.arange(shares + 1) * tokens // shares
