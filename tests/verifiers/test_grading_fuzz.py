"""A seeded sample of the fuzzer: no different answer is right, and equal ones are."""

from __future__ import annotations

import pytest

from benchmarks.grading_fuzz import FRAMES, Pair, grade, pairs
from benchmarks.grading_makers import MAKERS
from benchmarks.grading_numbers import Random


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


DENYING = (
    "The answer is not ${}$.", "It cannot be ${}$.", "${}$ is not the answer.", r"\boxed{{{}}} is wrong.",
    "We can rule out ${}$.", "It can be anything other than ${}$.", r"The answer is not \boxed{{{}}}.",
    "It is greater than ${}$.", "It is never ${}$.", "The answer is at most ${}$.", "I doubt that it is ${}$.",
    "It is unlikely to be ${}$.", "**Answer:** not ${}$", "The answer is never ${}$.",
)  # fmt: skip


def test_an_answer_that_is_denied_or_only_bounds_earns_nothing():
    some = []
    for place in range(240):
        r = Random(f"denied/{place}")
        made = r.choice(MAKERS)(r)
        text = r.choice(made.same)
        if "$" not in text and made.kind not in ("word", "choice"):
            some.append(Pair(r.choice(made.certain), DENYING[place % len(DENYING)].format(text), False, made.kind))
    assert len(some) > 150
    assert grade(some, workers=1) == []


def test_the_fuzzer_knows_many_kinds():
    assert len(set(MAKERS)) >= 17 and len(FRAMES) >= 10
