"""Old and new results of one benchmark: what counts as slower, and what cannot be compared."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import compare
from benchmarks.machine import filed, keep


def row(ratio: float, spread: float = 0.0, **settings: Any) -> dict[str, Any]:
    return {**settings, "ratio": ratio, "ratio_min": ratio - spread, "ratio_max": ratio + spread, "seconds": 3.0}


def changed(old: Any, new: Any) -> list[tuple[bool, bool]]:
    return [(c.worse, c.better) for c in compare.compare({"rows": [old]}, {"rows": [new]}, 0.1)]


def test_a_fall_beyond_both_ranges_is_worse():
    assert changed(row(2.0, 0.1), row(1.5, 0.1)) == [(True, False)]


def test_a_fall_within_the_range_of_either_run_is_noise():
    assert changed(row(2.0, 0.1), row(1.5, 0.6)) == [(False, False)]
    assert changed(row(2.0, 0.6), row(1.5, 0.1)) == [(False, False)]


def test_a_rise_beyond_both_ranges_is_better():
    assert changed(row(1.5, 0.1), row(2.0, 0.1)) == [(False, True)]


def test_of_tokens_computed_for_each_distinct_one_more_is_worse():
    old, new = {"searches": 25, "computed_per_distinct": 1.0}, {"searches": 25, "computed_per_distinct": 1.3}
    assert changed(old, new) == [(True, False)]


def test_without_a_range_a_tenth_is_noise():
    assert changed({"ratio": 1.0}, {"ratio": 0.92}) == [(False, False)]
    assert changed({"ratio": 1.0}, {"ratio": 0.8}) == [(True, False)]


def test_times_are_never_compared():
    assert changed({"seconds": 1.0, "ratio": 1.0}, {"seconds": 9.0, "ratio": 1.0}) == [(False, False)]


def test_rows_belong_together_by_their_settings_and_not_by_their_place():
    old = {"rows": [row(1.0, prompts=64), row(4.0, prompts=256)]}
    new = {"rows": [row(4.0, prompts=256), row(1.0, prompts=64)]}
    assert [c.worse or c.better for c in compare.compare(old, new, 0.1)] == [False, False]


def test_ratios_below_other_keys_are_found():
    data = {"rows": [{"model": "tiny", "ponder": {"bfloat16": {"ratio": 3.0}}}]}
    assert [name for name, _ in compare.measures(data, 0.1)] == ["model=tiny ponder bfloat16 ratio"]


def main(monkeypatch: pytest.MonkeyPatch, *arguments: Path) -> int:
    monkeypatch.setattr(sys, "argv", ["compare", *map(str, arguments)])
    return compare.main()


def write(path: Path, ratio: float, **head: Any) -> Path:
    keep(path, {"date": "2026-01-02T03:04:05+00:00", "revision": f"r{ratio}", **head, "rows": [row(ratio, prompts=64)]})
    return path


def test_the_status_says_whether_anything_is_worse(monkeypatch, tmp_path):
    fast, slow = write(tmp_path / "fast.json", 2.0), write(tmp_path / "slow.json", 1.0)
    assert main(monkeypatch, fast, slow) == 1
    assert main(monkeypatch, slow, fast) == 0


def test_other_threads_or_machines_are_not_compared(monkeypatch, tmp_path, capsys):
    one, two = write(tmp_path / "one.json", 2.0, threads=1), write(tmp_path / "two.json", 1.0, threads=2)
    assert main(monkeypatch, one, two) == 2
    assert "threads is 1 in one and 2 in the other" in capsys.readouterr().out


def test_a_new_result_moves_the_old_one_to_history_and_is_compared_with_it(monkeypatch, tmp_path):
    path = write(tmp_path / "generation.json", 2.0)
    write(path, 1.0)
    older = tmp_path / "history" / "generation_2026-01-02T030405_r2.0.json"
    assert json.loads(older.read_text())["rows"][0]["ratio"] == 2.0
    assert filed(path, json.loads(older.read_text())) == older
    assert main(monkeypatch, path) == 1


def test_a_name_that_begins_like_another_has_a_history_of_its_own(tmp_path):
    write(write(tmp_path / "grpo.json", 1.0), 2.0)
    write(write(tmp_path / "grpo_step.json", 3.0), 4.0)
    assert compare.latest(tmp_path / "grpo.json").name.startswith("grpo_2026")


def test_the_predecessor_is_the_last_one_with_the_same_settings(tmp_path):
    path = tmp_path / "tree.json"
    for day, threads in ((1, 1), (2, 2), (3, 2)):
        keep(path, {"date": f"2026-01-0{day}T00:00:00+00:00", "revision": f"r{day}", "threads": threads})
    keep(path, {"date": "2026-01-04T00:00:00+00:00", "revision": "r4", "threads": 1})
    assert compare.latest(path).name == "tree_2026-01-01T000000_r1.json"
