"""Every metric is documented once, and a run logs no other."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from ponder.tracking.metrics import METRICS, described, flat, markdown
from tests.selfplay.test_loop import Foresight, play

ROOT = Path(__file__).parents[2]


def undocumented(row: dict[str, Any]) -> list[str]:
    return [name for name in flat(row) if described(name) is None]


def test_a_round_logs_no_undocumented_metric_and_the_main_ones_are_there() -> None:
    made = play(Foresight(), coupling={"kind": "both", "after": 0}, algorithm={"kind": "gae", "whiten": False})
    row = made.play(0)
    readings, alarms = made.health.look(row, made.played[0])
    row["health"] = made.health.row(readings, alarms)
    assert undocumented(row) == []
    names = flat(row)
    assert {"validation/mean", "metrics/reward/process", "metrics/critic_loss", "agreement/gap"} <= names.keys()
    assert names["health/rate_scale"] == 1.0 and names["failures/timeout"] == 8.0


def test_an_unknown_name_is_found_out() -> None:
    assert undocumented({"metrics": {"my_own": 1.0}}) == ["metrics/my_own"]
    assert described("validation/sums/more") is None


def source_names(room: str, pattern: str) -> set[str]:
    """Names of metrics as they stand in the code of a room."""
    text = "".join(file.read_text() for file in (ROOT / "ponder" / room).rglob("*.py"))
    return {name for found in re.findall(pattern, text) for name in re.findall(r'"([a-z_]+)":', found)}


@pytest.mark.parametrize(
    ("room", "prefix", "pattern"),
    [
        ("losses", "metrics/loss/", r"(?:Terms\([^\n]*?|metrics(?: \|)? ?= )(\{[^}]*\})"),
        ("algorithms", "metrics/", r"(?:Credits\([^\n]*|metrics = )(\{[^}]*\})"),
    ],
)
def test_what_losses_and_algorithms_measure_is_documented(room: str, prefix: str, pattern: str) -> None:
    """A new metric needs a line in ponder/tracking/metrics.py; then make docs/metrics.md again."""
    names = source_names(room, pattern)
    assert names, "the pattern finds nothing"
    assert {name for name in names if described(f"{prefix}{name}") is None} == set()


def test_not_measured_and_not_finite_are_absent_and_truth_values_are_no_numbers() -> None:
    assert flat({"entropy": None, "grad_norm": float("nan"), "updates": True, "flops": 2}) == {"flops": 2.0}


def test_each_name_stands_once_and_the_page_is_the_table() -> None:
    names = [metric.name for metric in METRICS]
    assert len(set(names)) == len(names)
    assert (ROOT / "docs" / "metrics.md").read_text() == markdown(), (
        "python -m ponder.tracking.metrics > docs/metrics.md"
    )
    assert all(metric.meaning for metric in METRICS)
