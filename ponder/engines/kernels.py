"""A layer of a decode step as one compiled function for the CPU (extra `fast`).

Between its matrix products a step moves memory: it turns queries and keys, writes a key and a value, and reads every
key and value of the row. torch does that in a dozen calls with a pass over memory each; here a row's keys are turned,
written and read while they are in the core's cache, and no mask is needed because each row ends where it ends. The
products are those of torch's own library, called directly, so a layer runs without python and its lock. Compiled by
numba where it is installed; without it the step takes torch's operations. The functions are plain python, so they are
tested without a compiler too.

Only float32 with heads of a multiple of eight; other models take torch's operations.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ponder.engines.blas import sgemm

Floats = NDArray[np.float32]
Indices = NDArray[np.int64]
Compile = Callable[[Any], Any]

_UNROLLED = 8


@dataclass(frozen=True)
class Kernels:
    """Compiled for one number of queries a key head and one head dimension; `sgemm` is the address of the product."""

    layer: Callable[..., None]
    attend: Callable[..., None]
    norm: Callable[[Floats, float, Floats], None]
    swiglu: Callable[[Floats, Floats], None]
    sgemm: int = 0


def available(head_dim: int) -> bool:
    """Whether there are a compiler and a product to call, and the heads fit."""
    return head_dim % _UNROLLED == 0 and importlib.util.find_spec("numba") is not None and sgemm() is not None


@cache
def compiled(group: int, head_dim: int) -> Kernels:
    """The kernels as machine code, kept on disk for the next process where that can be written."""
    numba = importlib.import_module("numba")
    # Sums may be taken in another order, or nothing could be vectorised; infinities and NaN stay what they are.
    flags = {"reassoc", "contract", "nsz", "arcp"}
    jit = numba.njit(fastmath=flags, nogil=True, cache=True, error_model="numpy")
    return replace(build(group, head_dim, jit, _compiled_product(jit)), sgemm=sgemm() or 0)


def _compiled_product(jit: Compile) -> Any:
    """`out` [M, N] = a [M, K] times b [K, N], plus `beta` times what was there, by the function at an address."""
    types = importlib.import_module("numba.core.types")
    ir = importlib.import_module("llvmlite.ir")
    extending = importlib.import_module("numba.extending")

    @extending.intrinsic  # type: ignore[untyped-decorator]
    def call(_: Any, address: Any, pointers: Any) -> Any:
        def codegen(context: Any, builder: Any, _: Any, arguments: Any) -> Any:
            word = ir.IntType(64)
            kind = ir.FunctionType(ir.VoidType(), [word.as_pointer()] * len(pointers))
            function = builder.inttoptr(arguments[0], kind.as_pointer())
            parts = [builder.extract_value(arguments[1], i) for i in range(len(pointers))]
            builder.call(function, [builder.inttoptr(part, word.as_pointer()) for part in parts])
            return context.get_dummy_value()

        return types.void(address, pointers), codegen

    def product(address: int, a: Any, b: Any, out: Any, rows: int, beta: float) -> None:
        no = np.array([78], np.int8)  # "N": not transposed
        sizes = np.array([b.shape[1], rows, b.shape[0]], np.int32)
        factors = np.array([1.0, beta], np.float32)
        # Fortran reads the transposes: out' [N, M] = b' [N, K] a' [K, M].
        letter, n, one = no.ctypes.data, sizes.ctypes.data, factors.ctypes.data
        of = (b.ctypes.data, a.ctypes.data, out.ctypes.data)
        m, k = n + 4, n + 8
        call(address, (letter, letter, n, m, k, one, of[0], n, of[1], k, one + 4, of[2], n))

    return jit(product)


def plain_product(_: int, a: Floats, b: Floats, out: Floats, rows: int, beta: float) -> None:
    """The same in numpy, for tests without a compiler."""
    before = out.copy() if beta else np.float32(0)  # what was never written may be anything, even not a number
    out[...] = (a.reshape(rows, -1) @ b).reshape(out.shape) + np.float32(beta) * before


def build(group: int, dim: int, compiler: Compile, product: Any = plain_product) -> Kernels:
    """The functions, passed through `compiler`; `group` and `dim` are constants to it, so that loops unroll."""
    f, half, parts = np.float32, dim // 2, group + 2

    @compiler
    def turn(
        fused: Floats, n: int, first: int, turns: Floats, at: int, norm: Floats, g: int, epsilon: float, out: Floats
    ) -> None:
        """Rotate pairs of neighbours of head `g` into `out[g]`; with a norm, normalise first."""
        scale, normed = f(1), norm.shape[1] > 0
        if normed:
            total = f(0)
            for d in range(dim):
                total += fused[n, first + d] * fused[n, first + d]
            scale = f(1) / np.sqrt(total / f(dim) + f(epsilon))
        for p in range(half):
            a, b = fused[n, first + 2 * p] * scale, fused[n, first + 2 * p + 1] * scale
            if normed:
                a, b = a * norm[g, 2 * p], b * norm[g, 2 * p + 1]
            c, s = turns[at, p, 0], turns[at, p, 1]
            out[g, 2 * p], out[g, 2 * p + 1] = a * c - b * s, a * s + b * c

    @compiler
    def score(q: Floats, keys: Floats, row: int, width: int, scores: Floats) -> None:
        """Scores [G, width] of `keys[row]` [D, width], eight rows of them at a time: memory is read in order."""
        for g in range(group):
            for j in range(width):
                scores[g, j] = f(0)
        for d in range(0, dim, 8):
            for g in range(group):
                q0, q1, q2, q3 = q[g, d], q[g, d + 1], q[g, d + 2], q[g, d + 3]
                q4, q5, q6, q7 = q[g, d + 4], q[g, d + 5], q[g, d + 6], q[g, d + 7]
                for j in range(width):
                    low = (q0 * keys[row, d, j] + q1 * keys[row, d + 1, j]) + (
                        q2 * keys[row, d + 2, j] + q3 * keys[row, d + 3, j]
                    )
                    high = (q4 * keys[row, d + 4, j] + q5 * keys[row, d + 5, j]) + (
                        q6 * keys[row, d + 6, j] + q7 * keys[row, d + 7, j]
                    )
                    scores[g, j] += low + high

    @compiler
    def soften(scores: Floats, g: int, length: int, bits: NDArray[np.int32], powers: Floats) -> None:
        """Softmax in place. exp(x) = 2^k * 2^r with |r| <= 1/2 (`powers` views `bits`); error about 1e-7."""
        top = scores[g, 0]
        for t in range(length):
            top = max(top, scores[g, t])
        for t in range(length):
            x = max((scores[g, t] - top) * f(1.4426950408889634), f(-126))
            k = np.floor(x + f(0.5))
            r = x - k
            p = f(1.5403530393381609954e-4) * r + f(1.3333558146428443423e-3)
            p = p * r + f(9.6181291076284771619e-3)
            p = p * r + f(5.5504108664821579953e-2)
            p = p * r + f(2.4022650695910071233e-1)
            p = p * r + f(6.9314718055994530942e-1)
            scores[g, t] = p * r + f(1)
            bits[t] = (np.int32(k) + np.int32(127)) << np.int32(23)
        total = f(0)
        for t in range(length):
            scores[g, t] *= powers[t]
            total += scores[g, t]
        for t in range(length):
            scores[g, t] /= total

    @compiler
    def mix(scores: Floats, values: Floats, row: int, length: int, out: Floats) -> None:
        """`values[row]` [T, D] weighted by scores [G, T] into `out[row]` [G, D]."""
        for g in range(group):
            for d in range(dim):
                out[row, g, d] = f(0)
        whole = length // 8 * 8
        for t in range(0, whole, 8):
            for g in range(group):
                p0, p1, p2, p3 = scores[g, t], scores[g, t + 1], scores[g, t + 2], scores[g, t + 3]
                p4, p5, p6, p7 = scores[g, t + 4], scores[g, t + 5], scores[g, t + 6], scores[g, t + 7]
                for d in range(dim):
                    low = (p0 * values[row, t, d] + p1 * values[row, t + 1, d]) + (
                        p2 * values[row, t + 2, d] + p3 * values[row, t + 3, d]
                    )
                    high = (p4 * values[row, t + 4, d] + p5 * values[row, t + 5, d]) + (
                        p6 * values[row, t + 6, d] + p7 * values[row, t + 7, d]
                    )
                    out[row, g, d] += low + high
        for t in range(whole, length):
            for g in range(group):
                for d in range(dim):
                    out[row, g, d] += scores[g, t] * values[row, t, d]

    @compiler
    def attend(
        fused: Floats,
        turns: Floats,
        context: int,
        head_norm: Floats,
        epsilon: float,
        positions: Indices,
        keys: Floats,
        values: Floats,
        cells: Indices,
        layer: int,
        arena: Floats,
        out: Floats,
    ) -> None:
        """Heads [N, K * (G+2) * D] of one token a row: turned, written to slots and cells, attended into `out`.

        `keys` [N * K, D, L] and `values` [N * K, L, D] are the rows' own; `turns` [2 * context, D/2, 2] has the scaled
        rotations of queries first; `head_norm` [G+1, D] may be empty; `arena` [cells, layers, K, 2, D].
        """
        heads = keys.shape[0] // len(positions)
        room = keys.shape[2]
        qk = np.empty((parts - 1, dim), f)
        scores = np.empty((group, room), f)
        bits = np.empty(room, np.int32)
        powers = bits.view(f)
        for n in range(len(positions)):
            at, length = positions[n], positions[n] + 1
            for h in range(heads):
                row, first = n * heads + h, h * parts * dim
                for g in range(group):
                    turn(fused, n, first + g * dim, turns, at, head_norm, g, epsilon, qk)
                turn(fused, n, first + group * dim, turns, context + at, head_norm, group, epsilon, qk)
                first += (group + 1) * dim
                for d in range(dim):
                    keys[row, d, at] = qk[group, d]
                    values[row, at, d] = fused[n, first + d]
                    arena[cells[n], layer, h, 0, d] = qk[group, d]
                    arena[cells[n], layer, h, 1, d] = fused[n, first + d]
                score(qk, keys, row, (length + 15) // 16 * 16, scores)
                for g in range(group):
                    soften(scores, g, length, bits, powers)
                mix(scores, values, row, length, out)

    @compiler
    def norm(x: Floats, shortest: float, out: Floats) -> None:
        """Rows of `x` [N, H] over hypot(their length, `shortest`)."""
        for n in range(x.shape[0]):
            total = f(0)
            for i in range(x.shape[1]):
                total += x[n, i] * x[n, i]
            scale = f(1) / np.sqrt(total + f(shortest * shortest))
            for i in range(x.shape[1]):
                out[n, i] = x[n, i] * scale

    @compiler
    def swiglu(gate_up: Floats, out: Floats) -> None:
        """silu(gate) * up of [N, 2 * inner] into [N, inner]."""
        inner = out.shape[1]
        bits = np.empty(inner, np.int32)
        powers = bits.view(f)
        for n in range(out.shape[0]):
            for i in range(inner):
                x = min(max(gate_up[n, i] * f(-1.4426950408889634), f(-126)), f(126))
                k = np.floor(x + f(0.5))
                r = x - k
                p = f(1.5403530393381609954e-4) * r + f(1.3333558146428443423e-3)
                p = p * r + f(9.6181291076284771619e-3)
                p = p * r + f(5.5504108664821579953e-2)
                p = p * r + f(2.4022650695910071233e-1)
                p = p * r + f(6.9314718055994530942e-1)
                out[n, i] = p * r + f(1)
                bits[i] = (np.int32(k) + np.int32(127)) << np.int32(23)
            for i in range(inner):
                out[n, i] = gate_up[n, i] * gate_up[n, inner + i] / (f(1) + out[n, i] * powers[i])

    @compiler
    def layer(
        address: int,
        weights: tuple[Floats, Floats, Floats, Floats],
        bias: Floats,
        shortest: float,
        buffers: tuple[Floats, Floats, Floats, Floats, Floats],
        attended: Floats,
        turns: Floats,
        context: int,
        head_norm: Floats,
        epsilon: float,
        positions: Indices,
        keys: Floats,
        values: Floats,
        cells: Indices,
        index: int,
        arena: Floats,
    ) -> None:
        """The residual stream, first of `buffers`, through a whole layer; `weights` are qkv, out, gate_up and down."""
        x, h, fused, gate_up, act = buffers
        rows = x.shape[0]
        norm(x, shortest, h)
        for n in range(rows if bias.size else 0):
            for i in range(bias.size):
                fused[n, i] = bias[i]
        product(address, h, weights[0], fused, rows, 1.0 if bias.size else 0.0)
        attend(fused, turns, context, head_norm, epsilon, positions, keys, values, cells, index, arena, attended)
        product(address, attended, weights[1], x, rows, 1.0)
        norm(x, shortest, h)
        product(address, h, weights[2], gate_up, rows, 0.0)
        swiglu(gate_up, act)
        product(address, act, weights[3], x, rows, 1.0)

    return Kernels(layer, attend, norm, swiglu)
