"""The compiled passes of a training step against torch's operations."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from ponder.learning.packed import attention, fused
from ponder.learning.packed.layout import Group, Row, groups, packed
from ponder.learning.packed.native import attention as compiled
from ponder.learning.packed.native import rows
from ponder.learning.packed.tiles import Layout, layout
from ponder.models.lean import Shape
from ponder.native import compiler
from ponder.types import Sample

pytestmark = pytest.mark.skipif(compiler._compiler() is None, reason="no C++ compiler here")
NONE: tuple[float, ...] = ()
# Prompts and the responses to each: shared and single, shorter and longer than a block of queries, one of one token.
ROWS = [(5, (7, 1, 40)), (33, (2, 70)), (64, (64, 64, 64)), (3, (90,)), (40, (1,))]


def made(rows: Sequence[tuple[int, tuple[int, ...]]], shape: Shape) -> tuple[Layout, Tensor, Tensor]:
    """A layout of such rows, queries, keys and values for it, and the rotation of each token."""

    def sample(prompt: int, response: int) -> Sample:
        count = (0.0,) * response
        return Sample("x", (2,) * prompt, (3,) * response, count, count, count)

    some = [Group(tuple(Row(sample(p, r + 1), 1.0) for r in bodies)) for p, bodies in rows]
    found = layout(packed(some), shape, torch.device("cpu"))
    torch.manual_seed(0)
    qkv = torch.randn(len(found.ids), (shape.heads + 2 * shape.kv_heads) * shape.head_dim)
    angles = found.positions[:, None] * 0.3 ** torch.arange(shape.head_dim // 2)
    return found, qkv, torch.polar(torch.ones_like(angles), angles)[:, None]


def attended(qkv: Tensor, turns: Tensor, found: Layout, shape: Shape, monkeypatch: pytest.MonkeyPatch) -> list[Tensor]:
    """Compiled and torch's: outputs and gradients."""
    results = []
    for by in (compiled.code, lambda *_: None):
        monkeypatch.setattr(compiled, "code", by)
        leaf = qkv.clone().requires_grad_()
        out = attention.attend(leaf, turns, found, shape, rounded=False)
        torch.manual_seed(1)
        out.backward(torch.randn_like(out))
        assert leaf.grad is not None
        results += [out.detach(), leaf.grad]
    return results


@pytest.mark.parametrize(("heads", "kv_heads", "dim"), [(4, 2, 32), (3, 3, 32), (4, 1, 64)])
def test_attention_and_its_gradient_are_torchs(
    heads: int, kv_heads: int, dim: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    shape = Shape(heads, kv_heads, dim, 1e-6)
    found, qkv, turns = made(ROWS, shape)
    assert compiled.code(qkv, shape) is not None
    out, grad, torchs_out, torchs_grad = attended(qkv, turns, found, shape, monkeypatch)
    torch.testing.assert_close(out, torchs_out, atol=2e-5, rtol=1e-4)
    torch.testing.assert_close(grad, torchs_grad, atol=1e-4, rtol=1e-4)


def test_scores_that_lie_far_apart_keep_their_softmax(monkeypatch: pytest.MonkeyPatch) -> None:
    shape = Shape(2, 1, 32, 1e-6)
    found, qkv, turns = made([(20, (30, 30))], shape)
    out, grad, torchs_out, torchs_grad = attended(qkv * 12, turns, found, shape, monkeypatch)
    torch.testing.assert_close(out, torchs_out, atol=1e-3, rtol=1e-3)
    assert torch.nn.functional.cosine_similarity(grad.flatten(), torchs_grad.flatten(), dim=0) > 0.99999


def test_several_threads_give_the_same_to_the_last_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    shape = Shape(4, 2, 32, 1e-6)
    found, qkv, turns = made(ROWS, shape)
    threads, results = torch.get_num_threads(), []
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            monkeypatch.undo()
            results.append(attended(qkv, turns, found, shape, monkeypatch)[:2])
    finally:
        torch.set_num_threads(threads)
    assert all(torch.equal(one, two) for one, two in zip(*results, strict=True))


def test_a_stem_leads_the_group_of_all_that_see_it() -> None:
    samples = [Sample("x", (2,) * p, (3,) * 4, NONE, NONE, NONE) for p in (5, 6)]
    shared, alone = Group((Row(samples[0], 1.0), Row(samples[0], 1.0))), Group((Row(samples[1], 1.0),))
    found = groups(packed([shared, alone]))
    assert found.pieces.tolist() == [[0, 5, 0, 0], [5, 3, 0, 5], [8, 3, 0, 5], [11, 9, 0, 0]]
    assert found.borders.tolist() == [0, 3, 4]


def test_the_norm_and_its_gradient_are_torchs() -> None:
    x = torch.randn(100, 64, requires_grad=True)
    grad = torch.randn(100, 64)
    fused.norm(x, 1e-3, torch.float32).backward(grad)
    mine, x.grad = x.grad, None
    y = F.rms_norm(x, (64,), None, 1e-3)
    y.backward(grad)
    torch.testing.assert_close(fused.norm(x, 1e-3, torch.float32), y, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(mine, x.grad, atol=1e-5, rtol=1e-5)
    tiny = torch.full((1, 16), 1e-3)  # the epsilon counts
    assert fused.norm(tiny, 1.0, torch.float32)[0, 0].item() == pytest.approx(1e-3 / np.sqrt(1e-6 + 1))


def test_the_gate_holds_at_extreme_inputs_and_its_gradient_is_torchs() -> None:
    gate = torch.tensor([-200.0, -88.0, -1.0, 0.0, 1.0, 88.0, 200.0, 3e4] * 2)[None]
    both = torch.cat([gate, torch.full_like(gate, 2.0)], dim=1)
    code = rows.code(both)
    assert code is not None
    torch.testing.assert_close(rows.gate(code, both, torch.empty_like(gate)), 2 * F.silu(gate), atol=1e-6, rtol=1e-5)
    leaf = both.clone().requires_grad_()
    grad = torch.randn_like(gate)
    (F.silu(leaf[:, :16]) * leaf[:, 16:]).backward(grad)
    to_both, again = torch.empty_like(both), torch.empty_like(gate)
    rows.gate_back(code, both, grad, to_both, again)
    torch.testing.assert_close(to_both, leaf.grad, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(again, 2 * F.silu(gate), atol=1e-6, rtol=1e-5)


def test_other_numbers_and_widths_are_left_to_torch() -> None:
    assert rows.code(torch.zeros(2, 15)) is None
    assert rows.code(torch.zeros(2, 16, dtype=torch.bfloat16)) is None
    assert compiled.code(torch.zeros(2, 24), Shape(1, 1, 8, 1e-6)) is None
    assert compiled.code(torch.zeros(2, 96, dtype=torch.bfloat16), Shape(1, 1, 32, 1e-6)) is None
