"""Bills against the engine's own counters, over strategies, budgets, deadlines and clients that leave.

Ten thousand requests: `python -m benchmarks.serving_counts` (figures in docs/serving.md).
"""

from __future__ import annotations

import asyncio

import pytest

from benchmarks.serving_counts import measured, service


@pytest.mark.parametrize(("engine", "requests"), [("scripted", 150), ("local", 40)])
def test_the_bills_sum_to_the_engines_counters_and_none_passes_its_cap(engine: str, requests: int):
    found = asyncio.run(measured(service(engine), requests, seed=1))
    assert found["wrong"] == []
    assert found["billed"] == found["engine"]
    assert found["accepted"] == requests and found["endings"].get("cancelled", 0) > 0
