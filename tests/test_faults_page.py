"""`docs/faults.md`: every fault has its row, and every test that a row names is there."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

TESTS = Path(__file__).parent
PAGE = (TESTS.parent / "docs" / "faults.md").read_text(encoding="utf-8")
ROWS = [line for line in PAGE.splitlines() if re.match(r"\| \d+ \|", line)]


@cache
def _source(file: str) -> str:
    return (TESTS / file).read_text(encoding="utf-8")


def test_every_fault_has_a_row() -> None:
    assert {int(row.split("|")[1]) for row in ROWS} == set(range(1, 71))


def test_every_test_that_is_named_is_there() -> None:
    missing, last = [], ""
    for row in ROWS:
        for file, name in re.findall(r"`(?:([\w/]+\.py))?(?:::(\w+))?`", row):
            last = file or last
            if not (TESTS / last).is_file() or (name and f"def {name}(" not in _source(last)):
                missing.append(f"{row[:6]} {last}::{name}")
    assert not missing


def test_a_row_that_names_no_test_of_its_own_says_where_it_is_held() -> None:
    for row in ROWS:
        assert re.search(r"test_\w+\.py|grading_cases|the same|none: ", row.split("|")[-2]), row
