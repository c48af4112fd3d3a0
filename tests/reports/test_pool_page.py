"""The page of somebody else's samples."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ponder.reports.pool import page
from ponder.types import PonderError


def curve(*values: float) -> list[dict[str, Any]]:
    return [{"N": n, "y": y, "low": y - 0.1, "high": y + 0.1, "n": 40} for n, y in zip((1, 2, 4), values, strict=False)]


def metrics(**more: Any) -> dict[str, Any]:
    curves = {"pass": curve(0.5, 0.65, 0.8), "majority": curve(0.5, 0.5, 0.61)}
    return {
        "schema": 1, "pool": "<b>pool</b>.jsonl", "n": 40, "dropped": 2, "failures": {"timeout": 3, "crash": 0},
        "aggregation": "last", "seed": 0, "largest": 4, "curves": curves, "estimated": [], "revision": "abc",
        "results": {"mean": curves["pass"][0], "pass": curves["pass"][-1], "majority": curves["majority"][-1]}, **more,
    }  # fmt: skip


def rendered(folder: Path, found: Any) -> str:
    (folder / "metrics.json").write_text(json.dumps(found), encoding="utf-8")
    return page.render(folder).read_text(encoding="utf-8").replace("\u00a0", " ")


def test_the_page_says_what_choosing_buys_and_what_was_left_out(tmp_path: Path) -> None:
    source = rendered(tmp_path, metrics())
    assert "One sample solves 50.0 % of the problems, a majority vote of 4 61.0 %; any of them is right for" in source
    assert "Left out, since none of their samples could be graded: 2 problems." in source
    assert "never counted as wrong): 3 timeout." in source
    assert "N = 2" in source and "55.0 to 75.0" in source
    assert "<b>pool" not in source and "<script" not in source
    assert (tmp_path / "pool.png").read_bytes().startswith(b"\x89PNG")


def test_one_sample_a_problem_is_no_curve(tmp_path: Path) -> None:
    curves = {"pass": curve(0.5), "majority": curve(0.5)}
    results = {"mean": curves["pass"][0], "pass": curves["pass"][0], "majority": curves["majority"][0]}
    source = rendered(tmp_path, metrics(largest=1, curves=curves, results=results))
    assert "One sample solves 50.0 % of the problems<" in source
    assert "<svg" not in source


def test_metrics_of_another_kind_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PonderError, match="cannot be read"):
        page.render(tmp_path)
    (tmp_path / "metrics.json").write_text('{"schema": 1}')
    with pytest.raises(PonderError, match="no metrics of ponder eval --pool"):
        page.render(tmp_path)
