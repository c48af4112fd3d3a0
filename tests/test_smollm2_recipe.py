"""The recipe's problems: splits that hold different numbers, word problems by their steps, settings that are valid."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from ponder.config import load
from ponder.problems.files.jsonl import Jsonl
from ponder.selfplay import needs
from ponder.selfplay.config import Run
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
