"""A seeded sample of the fuzzer: no different answer is right, and equal ones are."""

from __future__ import annotations

import pytest

from benchmarks.grading_fuzz import FRAMES, grade, pairs
from benchmarks.grading_makers import MAKERS


@pytest.mark.parametrize("equal", [True, False])
def test_known_pairs_are_judged_as_they_were_made(equal):
    source = pairs(11, equal)
    some = [next(source) for _ in range(1_000)]
    off = grade(some, workers=2)
    assert off == [] if not equal else len(off) <= 5
    assert {pair.kind.partition(",")[0] for pair in some} >= {
        "integer",
        "fraction",
        "root",
        "interval",
        "matrix",
        "word",
    }


def test_the_fuzzer_knows_many_kinds():
    assert len(set(MAKERS)) >= 17 and len(FRAMES) >= 10
