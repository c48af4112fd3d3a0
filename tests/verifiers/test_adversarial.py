"""Answers made to be taken for right, by group, and honest ones beside them; `adversarial.jsonl` holds them.

Groups: V00-11 guesses and hedges, V12-23 answers without content, V24-28 undefined values, V29-45 costly formulas,
V46-54 programs, V55-62 odd characters, V63-77 near misses, V78-95 places, brackets, units, bases and signs;
`equivalences` are forms that must stay right.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ponder.verifiers.rules.mathematics.pool import MathVerifier

CASES = [json.loads(line) for line in (Path(__file__).parent / "adversarial.jsonl").open(encoding="utf-8")]


@pytest.fixture(scope="module")
def verdicts():
    # The costly ones reach any limit; a short one keeps the test short.
    costly = [case for case in CASES if case["group"] == "V29-45"]
    others = [case for case in CASES if case["group"] != "V29-45"]
    return _judged(costly, 0.3) + _judged(others, 1.8)


def _judged(cases, seconds):
    verifier = MathVerifier(workers=2, seconds=seconds)
    judged = list(verifier.grade((case["gold"], case["response"]) for case in cases))
    verifier.close()
    return list(zip(cases, judged, strict=True))


@pytest.mark.parametrize("group", sorted({case["group"] for case in CASES}))
def test_no_case_of_a_group_is_judged_the_other_way(verdicts, group):
    told = [(case, verdict) for case, verdict in verdicts if case["group"] == group]
    assert [case for case, verdict in told if not case["right"] and verdict.outcome == 1.0] == []
    assert [case for case, verdict in told if case["right"] and verdict.outcome == 0.0] == []


def test_only_costly_formulas_end_as_failures(verdicts):
    failed = [(case["group"], verdict.failure) for case, verdict in verdicts if verdict.failure]
    assert {group for group, _ in failed} <= {"V29-45"}
    assert {failure for _, failure in failed} <= {"timeout", "memory"}


def test_every_group_has_several_cases():
    groups = [case["group"] for case in CASES]
    assert all(groups.count(group) >= 10 for group in set(groups))
    assert len(CASES) > 400
