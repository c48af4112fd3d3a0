from __future__ import annotations

from typing import Any

import pytest

from benchmarks.growth import Line, rows_of


def line(value: str, *turns: tuple[float, float, int]) -> Line:
    engine: Any = None
    return Line("batch", value, engine, lambda: None, list(turns))


def test_growth_is_the_median_of_the_turns_own_ratios_and_not_the_ratio_of_medians():
    # The machine was three times slower in the second turn, for both lines.
    rows = rows_of([line("1", (1.0, 10.0, 5), (3.0, 10.0, 5)), line("4", (2.0, 40.0, 20), (6.0, 40.0, 20))])
    assert rows[1]["growth"] == pytest.approx(2.0)
    assert (rows[1]["growth_min"], rows[1]["growth_max"]) == pytest.approx((2.0, 2.0))
    assert rows[1]["work"] == pytest.approx(4.0)
    assert rows[0]["growth"] is None


def test_rates_are_by_the_median_second():
    row = rows_of([line("1", (2.0, 10.0, 6), (2.0, 10.0, 6), (9.0, 10.0, 6))])[0]
    assert (row["tokens_a_second"], row["flops_a_second"], row["rounds"]) == (3.0, 5.0, 3)
