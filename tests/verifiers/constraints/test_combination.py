"""All constraints must hold; the verdict names those that do not; loose forgives an opening line and bold type."""

from __future__ import annotations

import json

import pytest

from ponder.types import Key, Problem, Question
from ponder.verifiers.grade import grade_file
from ponder.verifiers.rules.constraints.combination import judge
from ponder.verifiers.truth import GroundTruth

NO_COMMA = {"id": "punctuation:no_comma", "kwargs": {}}
QUOTED = {"id": "startend:quotation", "kwargs": {}}
KEYWORD = {"id": "keywords:existence", "kwargs": {"keywords": ["tea"]}}


def test_all_must_hold_and_the_verdict_names_those_that_do_not():
    both = judge([NO_COMMA, QUOTED, KEYWORD], '"tea"')
    assert (both.outcome, both.detail) == (1.0, "all 3 hold")
    one = judge([NO_COMMA, QUOTED, KEYWORD], "tea, please")
    assert (one.outcome, one.failure) == (0.0, None)
    assert one.detail == "failed: punctuation:no_comma, startend:quotation"


@pytest.mark.parametrize(
    ("constraint", "response"),
    [
        (QUOTED, 'Sure:\n"tea"'), (QUOTED, '"tea"\nEnjoy!'), (QUOTED, 'Sure:\n"tea"\nEnjoy!'), (QUOTED, '*"tea"*'),
        (NO_COMMA, "Sure, here it is:\ntea"),
    ],
)  # fmt: skip
def test_loose_forgives_the_first_line_the_last_line_and_asterisks(constraint, response):
    assert judge([constraint], response).outcome == 0.0
    assert "(holds loosely)" in judge([constraint], response).detail
    assert judge([constraint], response, loose=True).outcome == 1.0


def test_loose_does_not_forgive_what_stands_in_the_middle_and_never_an_answer_that_is_gone():
    assert judge([NO_COMMA], "a\nb, c\nd", loose=True).outcome == 0.0
    assert judge([NO_COMMA], "", loose=True).outcome == judge([NO_COMMA], "  \n").outcome == 0.0
    assert judge([NO_COMMA], "a, b", loose=True).outcome == 0.0


def test_only_what_follows_the_thinking_is_judged():
    assert judge([NO_COMMA], "<think>a, b</think>tea").outcome == 1.0
    assert judge([KEYWORD], "<think>tea</think>milk").outcome == 0.0
    assert judge([NO_COMMA], "<think>tea").outcome == 0.0


@pytest.mark.parametrize("constraints", [None, [], "text", [{"id": "no:such", "kwargs": {}}], [NO_COMMA, 5]])
def test_constraints_that_cannot_be_checked_are_a_failure_and_never_a_reward(constraints):
    verdict = judge(constraints, "tea")
    assert (verdict.outcome, verdict.failure) == (None, "gold")
    assert verdict.detail


def test_a_flood_is_wrong_and_its_end_is_not_shown():
    verdict = judge([NO_COMMA], "x" * 200_000)
    assert verdict.outcome == 0.0
    assert verdict.extracted is not None and len(verdict.extracted) < 1000


def test_ground_truth_asks_the_verifier_that_the_key_names():
    def problem(verifier):
        return Problem(Question("c", "file", "?"), Key(None, {"verifier": verifier, "constraints": [QUOTED]}))

    with GroundTruth() as truth:
        verdicts = truth.grade([problem("constraints"), problem("constraints_loose")], ['Sure:\n"tea"'] * 2)
    assert [verdict.outcome for verdict in verdicts] == [0.0, 1.0]


def test_rows_with_constraints_and_with_answers_stand_in_one_file(tmp_path):
    rows = [
        {"id": 1, "prediction": "tea", "constraints": [NO_COMMA, KEYWORD]},
        {"id": 2, "prediction": "1+x", "answer": "x+1"},
        {"id": 3, "prediction": "tea, milk", "constraints": [NO_COMMA]},
        {"id": 4, "prediction": 'So:\n"tea"', "constraints": [QUOTED], "verifier": "constraints_loose"},
        {"id": 5, "prediction": "tea", "constraints": [{"id": "no:such"}]},
        {"id": 6, "prediction": None, "constraints": [NO_COMMA]},
    ]
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    grade_file(source, target, workers=1)
    results = [json.loads(line) for line in target.open()]
    assert [result["outcome"] for result in results] == [1.0, 1.0, 0.0, 1.0, None, 0.0]
    assert results[4]["failure"] == "gold" and "no:such" in results[4]["detail"]
