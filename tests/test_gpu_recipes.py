"""The configurations of the GPU recipes are valid, and fit where their pages say: by calculation, nothing is loaded."""

from __future__ import annotations

from pathlib import Path

import pytest

from recipes.calculate import calculated

ROOT = Path(__file__).parents[1] / "recipes"


@pytest.mark.parametrize(
    ("file", "shape", "memory", "fits"),
    [
        ("gpu_small/half.toml", "0.5B", 40e9, True),
        ("gpu_small/one_and_a_half.toml", "1.5B", 80e9, True),
        ("gpu_math/lora.toml", "7B", 80e9, True),
        ("gpu_math/full.toml", "7B", 80e9, False),
    ],
)
def test_memory_by_calculation_is_what_the_page_says(file: str, shape: str, memory: float, fits: bool) -> None:
    found, said = calculated(ROOT / file, shape, memory, 400.0)
    assert found.fits_memory is fits, said
    assert shape in said and "GB of GPU memory" in said
    assert found.config.model.endswith(f"{shape}-Instruct") and found.config.device == "cuda"
