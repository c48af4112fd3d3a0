"""Text of a model never holds up the process that reads it: extraction, votes and constraints in linear time."""

from __future__ import annotations

import time

import pytest

from ponder.verifiers.rules.constraints.combination import judge
from ponder.verifiers.rules.mathematics.canonical import canonical, form
from ponder.verifiers.rules.mathematics.extraction import extract

SECONDS = 2.0
HOSTILE = [
    "3 and 4, " * 2300, "3 or 4 or " * 10_000, "$" * 100_000, "$1$ and " * 12_000, r"\(" * 50_000,
    r"\boxed{1}, " * 9_000,
    r"\boxed{" * 14_000, "the the " * 12_000, "the answer is " * 7_000, "#### " * 20_000, "<answer>" * 12_000,
    "**" * 50_000,
    "**5** " * 16_000, "because " * 12_000, "(1, " * 25_000, "1:" * 50_000, "x > " * 25_000,
    "no, it is " * 10_000, "`" * 100_000,
    "Answer\n" * 14_000, "\n" * 100_000, "[1, 2) " * 14_000, r"\begin{pmatrix}" * 6_000, "not 5 " * 16_000,
    "√" * 50_000,
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: text[:12])
def test_hostile_text_is_read_in_time(text):
    began = time.process_time()
    extract(text)
    canonical(text)
    form(text[:2_000])
    form(text[:400])
    assert time.process_time() - began < SECONDS


@pytest.mark.parametrize(
    "text",
    ["<<#" * 33_000, "<<" * 50_000, "<<a" * 33_000 + ">>", "a.\n" * 33_000, "Mr. " * 25_000],
    ids=lambda t: t[:4],
)
def test_constraints_are_checked_in_time(text):
    kinds = [
        ("detectable_format:title", {}),
        ("length_constraints:number_sentences", {"relation": "at least", "num_sentences": 9}),
    ]
    began = time.process_time()
    for name, kwargs in kinds:
        judge([{"id": name, "kwargs": kwargs}], text)
    assert time.process_time() - began < 2 * SECONDS
