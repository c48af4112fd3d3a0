"""The recipe on verifier noise: best-of-N on a pool, against pass@N and the closed form."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from ponder.evaluation.metrics import pass_at_k

FILE = Path(__file__).parents[2] / "recipes" / "verifier_noise" / "measure.py"


@pytest.fixture(scope="module")
def recipe() -> ModuleType:
    spec = importlib.util.spec_from_file_location("verifier_noise_recipe", FILE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_perfect_verifier_gives_pass_at_n_and_a_coin_gives_the_mean(recipe: ModuleType) -> None:
    pool = [[(1.0, "a")] * 8 + [(0.0, f"w{i}") for i in range(24)] for _ in range(20)]
    found = {row["accuracy"]: row["points"] for row in recipe.best_of_n(pool, "call")}
    for point in found[1.0]:
        assert point["y"] == pytest.approx(pass_at_k(32, 8, point["n"]))
    assert all(point["y"] == pytest.approx(0.25, abs=0.02) for point in found[0.5])


def test_at_70_percent_a_pool_solved_at_30_percent_tends_to_half(recipe: ModuleType) -> None:
    pool = [[(1.0, str(i)) for i in range(10)] + [(0.0, f"w{i}") for i in range(22)] for _ in range(20)]
    row = next(row for row in recipe.best_of_n(pool, "call") if row["accuracy"] == 0.7)
    # 10/32 * 0.7 / (10/32 * 0.7 + 22/32 * 0.3) = 0.515; a ratio of small counts lies a little above it
    assert row["ceiling"] == pytest.approx(0.5147, abs=1e-3)
    assert row["points"][-1]["y"] == pytest.approx(0.52, abs=0.03)
