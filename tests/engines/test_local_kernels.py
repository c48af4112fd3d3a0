"""The compiled kernels and the lanes of a decode step, against torch's own operations."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch

from ponder.engines import kernels, lanes, packed
from ponder.engines.graphs import Graphs
from ponder.engines.lean_decode import LeanDecoder
from ponder.engines.local import LocalEngine
from ponder.engines.loop import gather_all
from tests.engines.factory import CONTEXT, VOCABULARY, Pieces, mixed, model, reference

PROMPTS = [(2, 3, 4), (5,), tuple(range(2, 22)), (7, 8, 9, 10)]


def decoded(name: str, kernel: kernels.Kernels | None) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits of three steps, and all that the arena keeps."""
    decoder = LeanDecoder(model(name), CONTEXT, 8, 1 << 20)
    decoder._kernels = kernel
    decoder.prefill(PROMPTS)
    lengths = np.array([len(p) for p in PROMPTS])
    steps = [decoder.decode((lengths + 3 * i) % VOCABULARY, lengths + i) for i in range(3)]
    arena = decoder.trunk.arena
    return torch.stack(steps), torch.cat([arena.kv.flatten(1), arena.hidden], dim=1)[1:40]


@pytest.mark.parametrize("name", ["llama", "qwen2", "qwen3"])
def test_kernels_compute_what_torch_computes(name: str) -> None:
    plain = kernels.build(2, 8, lambda function: function)
    for mine, torchs in zip(decoded(name, plain), decoded(name, None), strict=True):
        torch.testing.assert_close(mine, torchs, atol=2e-5, rtol=1e-5)


def test_softmax_and_swish_hold_at_extreme_inputs() -> None:
    plain = kernels.build(1, 8, lambda function: function)
    gate = np.array([[-200.0, -88.0, -1.0, 0.0, 1.0, 88.0, 200.0, 3e4]], dtype=np.float32)
    out = np.empty_like(gate)
    plain.swiglu(np.concatenate([gate, np.ones_like(gate)], axis=1), out)
    expected = torch.nn.functional.silu(torch.from_numpy(gate))
    torch.testing.assert_close(torch.from_numpy(out), expected, atol=1e-6, rtol=1e-6)
    x, h = np.full((2, 4), 1e-3, np.float32), np.empty((2, 4), np.float32)
    plain.norm(x, 0.1, h)
    assert h == pytest.approx(1e-3 / np.hypot(2e-3, 0.1))


@pytest.mark.skipif(not kernels.available(8), reason="numba is not installed (extra `fast`)")
def test_the_compiler_changes_nothing() -> None:
    for mine, torchs in zip(decoded("llama", kernels.compiled(2, 8)), decoded("llama", None), strict=True):
        torch.testing.assert_close(mine, torchs, atol=2e-5, rtol=1e-5)


def test_rows_in_two_lanes_draw_what_they_draw_in_one(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = [c.tokens for c in gather_all(LocalEngine(model("llama"), Pieces()).generate(r) for r in mixed(12))]
    monkeypatch.setattr(lanes, "_LEAST_ROWS", 2)
    monkeypatch.setattr(lanes.Lanes, "most", 2)
    engine = LocalEngine(model("llama"), Pieces())
    engine._decoder._kernels = kernels.build(2, 8, lambda function: function)  # type: ignore[attr-defined]
    assert [c.tokens for c in gather_all(engine.generate(r) for r in mixed(12))] == expected


def test_a_lane_that_fails_is_heard_when_the_others_have_stopped() -> None:
    some = lanes.Lanes(packed.pack(model("llama"), CONTEXT))
    some._parallel = True
    threads, done = torch.get_num_threads(), []

    def share(number: int, workspace: packed.Workspace) -> None:
        if number == 1:
            raise RuntimeError("second share")
        done.append(number)

    torch.set_num_threads(2)
    try:
        with pytest.raises(RuntimeError, match="second share"):
            some.run([partial(share, number) for number in range(6)])
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    assert len(done) == len(set(done)) >= 1


def test_steps_of_rounded_shape_draw_what_exact_ones_draw() -> None:
    recorded: list[Callable[[], torch.Tensor]] = []

    def record(function: Callable[[], torch.Tensor]) -> Callable[[], torch.Tensor]:
        recorded.append(function)
        return function

    expected = [c.tokens for c in gather_all(LocalEngine(model("qwen3"), Pieces()).generate(r) for r in mixed(40))]
    engine = LocalEngine(model("qwen3"), Pieces())
    engine._decoder._graphs = Graphs(record)  # type: ignore[attr-defined]
    assert [c.tokens for c in gather_all(engine.generate(r) for r in mixed(40))] == expected
    assert 1 <= len(recorded) <= 6  # by rows and by where the memory lies, and not by step


@pytest.mark.parametrize("name", ["llama", "qwen2", "qwen3"])
def test_in_bfloat16_log_probabilities_stay_within_its_rounding(name: str) -> None:
    lm = model(name)
    engine = LocalEngine(copy.deepcopy(lm), Pieces(), dtype=torch.bfloat16)
    requests = mixed(8)
    for r, c in zip(requests, gather_all(engine.generate(r) for r in requests), strict=True):
        exact = reference(lm, r.prompt, c.tokens, r.temperature or 1.0)
        assert c.logprobs == pytest.approx(exact, abs=0.5, rel=0.1)
