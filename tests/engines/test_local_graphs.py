"""Decode steps of fixed shape, as they are recorded on a GPU, and decoding in half precision."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from ponder.engines.local.engine import LocalEngine
from ponder.engines.local.graphs import Graphs
from ponder.engines.local.prefix import trunk
from ponder.engines.loop import gather_all
from tests.engines.factory import Pieces, mixed, model, reference


def test_steps_of_rounded_shape_draw_what_exact_ones_draw() -> None:
    recorded: list[Callable[[], torch.Tensor]] = []

    def record(function: Callable[[], torch.Tensor]) -> Callable[[], torch.Tensor]:
        recorded.append(function)
        return function

    expected = [c.tokens for c in gather_all(LocalEngine(model("qwen3"), Pieces()).generate(r) for r in mixed(40))]
    engine = LocalEngine(model("qwen3"), Pieces())
    engine._decoder._graphs = Graphs(lambda: record)  # type: ignore[attr-defined]
    assert [c.tokens for c in gather_all(engine.generate(r) for r in mixed(40))] == expected
    assert 1 <= len(recorded) <= 6  # by rows and by where the memory lies, and not by step


@pytest.mark.parametrize("name", ["llama", "qwen2", "qwen3"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_recordings_outlive_new_weights_and_compute_with_them(name: str, dtype: torch.dtype, monkeypatch: Any) -> None:
    """New weights are written where the old ones lie, since a recording reads addresses."""
    monkeypatch.setattr(trunk, "native", lambda _: None)
    recorded: list[Callable[[], torch.Tensor]] = []

    def record(function: Callable[[], torch.Tensor]) -> Callable[[], torch.Tensor]:
        recorded.append(function)
        return function

    new, requests = model(name, seed=5), mixed(8)
    fresh = LocalEngine(copy.deepcopy(new), Pieces(), dtype=dtype)
    expected = [c.tokens for c in gather_all(fresh.generate(r) for r in requests)]
    engine = LocalEngine(model(name), Pieces(), dtype=dtype, keep_texts=True)
    engine._decoder._graphs = Graphs(lambda: record)  # type: ignore[attr-defined]
    before = [c.tokens for c in gather_all(engine.generate(r) for r in requests)]
    made = len(recorded)
    engine.replace_weights(new.state_dict(), 1)
    assert [c.tokens for c in gather_all(engine.generate(r) for r in requests)] == expected != before
    assert len(recorded) == made
    engine.release(weights=True)
    assert [c.tokens for c in gather_all(engine.generate(r) for r in requests)] == expected
    assert len(recorded) > made  # what they read was given back


class Launched(TorchDispatchMode):
    """Names of the operations that ran inside."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.add(func.overloadpacket.__name__)
        return func(*args, **(kwargs or {}))


def test_a_step_that_is_recorded_waits_for_nothing_and_brings_nothing_from_the_processor() -> None:
    """A recording on CUDA fails at a copy out of ordinary memory and at a number that the processor asks for."""
    seen: set[str] = set()

    def record(function: Callable[[], torch.Tensor]) -> Callable[[], torch.Tensor]:
        with Launched() as launched:
            function()
        seen.update(launched.names)
        return function

    engine = LocalEngine(model("qwen3"), Pieces())
    engine._decoder._graphs = Graphs(lambda: record)  # type: ignore[attr-defined]
    gather_all(engine.generate(r) for r in mixed(8))
    assert {"bmm", "index_copy_"} <= seen
    assert not seen & {"lift_fresh", "lift_fresh_copy", "_local_scalar_dense", "nonzero"}


@pytest.mark.parametrize("name", ["llama", "qwen2", "qwen3"])
def test_in_bfloat16_log_probabilities_stay_within_its_rounding(name: str) -> None:
    lm = model(name)
    engine = LocalEngine(copy.deepcopy(lm), Pieces(), dtype=torch.bfloat16)
    requests = mixed(8)
    for r, c in zip(requests, gather_all(engine.generate(r) for r in requests), strict=True):
        exact = reference(lm, r.prompt, c.tokens, r.temperature, r.top_p)
        assert c.logprobs == pytest.approx(exact, abs=0.5, rel=0.1)
