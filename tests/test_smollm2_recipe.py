"""The recipe's problems: splits that hold different numbers, word problems by their steps, settings that are valid."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from ponder.config import load
from ponder.problems.files.jsonl import Jsonl
from ponder.selfplay import needs
from ponder.selfplay.config import Run
from ponder.types import PonderError
from recipes.smollm2.summarise import found, means, over_seeds, table
from recipes.smollm2.train import sum_rows, word_rows, write_jsonl

HERE = Path(__file__).parents[1] / "recipes" / "smollm2"


def test_no_numbers_are_in_two_splits_and_the_file_is_read(tmp_path: Path) -> None:
    rows = sum_rows()
    split_of: dict[tuple[int, ...], set[str]] = {}
    for row in rows:
        numbers = tuple(sorted(int(word) for word in row["problem"].strip("?").split() if word.isdigit()))
        assert row["answer"] == str(sum(numbers))
        split_of.setdefault(numbers, set()).add(row["split"])
    assert all(len(splits) == 1 for splits in split_of.values())
    write_jsonl(tmp_path / "sums.jsonl", rows)
    family = Jsonl(tmp_path / "sums.jsonl")
    assert family.size("test") >= 100 and family.size("train") > 800
    assert Counter(row["level"] for row in rows) == {1: 90, 2: 700, 3: 700}


def test_word_problems_are_those_of_one_or_two_steps(tmp_path: Path) -> None:
    def row(name: str, steps: int) -> str:
        return json.dumps({"id": name, "problem": "a\u2028b", "answer": "1", "solution": "<<1=1>>" * steps})

    (tmp_path / "g.jsonl").write_text("\n".join(row(f"r{n}", n) for n in range(4)) + "\n", encoding="utf-8")
    assert [(r["id"], r["level"]) for r in word_rows(tmp_path / "g.jsonl")] == [("r1", 1), ("r2", 2)]


def test_the_settings_are_valid() -> None:
    for name in ("sums.toml", "words.toml"):
        needs.check(load(Run, HERE / name))


def summary_of(seed: int, base: float, final: float) -> dict[str, Any]:
    """Two levels of 10 and 30 problems; the second level is half of the first. Means of the levels: as given."""

    def row(level: int | None, n: int, by: float) -> dict[str, Any]:
        return {"level": level, "n": n, "base": {"y": base * by}, "final": {"y": final * by}}

    rows = [row(1, 10, 4 / 3), row(2, 30, 2 / 3), row(None, 40, 1.0)]
    end = {"seconds": {"train": 600.0}, "peak_memory_bytes": 5e9}
    return {"seed": seed, "accuracy": rows, "greedy": rows, **end}


def test_seeds_are_summarised_with_the_interval_over_them(tmp_path: Path) -> None:
    seeds = [summary_of(2, 0.1, 0.3), summary_of(0, 0.1, 0.5), summary_of(1, 0.1, 0.4)]
    for one in seeds:
        (tmp_path / f"sums-{one['seed']}").mkdir()
        (tmp_path / f"sums-{one['seed']}" / "summary.json").write_text(json.dumps(one))
    ordered = found(tmp_path)
    assert [one["seed"] for one in ordered] == [0, 1, 2]
    # (10 * 4/3 + 30 * 2/3) / 40 = 5/6 of the mean of the levels.
    assert means(ordered[0], "greedy")["all problems alike"]["final"] == pytest.approx(5 / 6 * 0.5)
    # Gains 0.4, 0.3, 0.2: mean 0.3, deviation 0.1, 4.303 * 0.1 / sqrt(3) = 0.248.
    mean, half = over_seeds([0.4, 0.3, 0.2])
    assert (mean, half) == pytest.approx((0.3, 0.248), abs=1e-3)
    assert over_seeds([0.4]) == (0.4, float("inf"))
    lines = table(ordered)
    assert "10.0 to 50.0 (+40.0)" in lines[2] and "**+30.0** ± 24.8" in lines[2] and "10.0 | 10.0" in lines[-2]
    with pytest.raises(PonderError, match="no finished run"):
        found(tmp_path / "nowhere")
