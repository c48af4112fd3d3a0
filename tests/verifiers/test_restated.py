"""A question that is repeated is not answered; a computed answer is, however it is written."""

from __future__ import annotations

import pytest

from ponder.types import Key, Problem, Question
from ponder.verifiers.rules.mathematics.restated import restated
from ponder.verifiers.truth import GroundTruth

QUESTION = "What is 23 + 30?"


@pytest.mark.parametrize("answer", ["23 + 30", "30+23", "(23 + 30)", "$23+30$", "53 = 23 + 30", "-(-23 - 30)"])
def test_the_questions_own_expression_is_no_answer(answer: str) -> None:
    assert restated(QUESTION, "53", answer)


@pytest.mark.parametrize("answer", ["53", "23 + 30 = 53", "50 + 3", "-53", "2^2 + 49", "53.", "5.3\\times 10^{1}"])
def test_what_was_computed_is_left_to_algebra(answer: str) -> None:
    assert not restated(QUESTION, "53", answer)


def test_fractions_and_gold_answers_that_are_no_numbers_are_left_alone() -> None:
    assert not restated("3 of 4 balls are red. What share?", "0.75", "3/4")
    assert not restated("Which is larger, 2 + 3 or 1 + 3?", "2+3", "2 + 3")
    assert restated("Add 1,200 and 34.", "1234", "1200 + 34")


def test_ground_truth_pays_nothing_for_it() -> None:
    def problem(text: str, gold: str) -> Problem:
        return Problem(Question(text, "sums", text), Key(gold, {"verifier": "math"}))

    asked = [problem(QUESTION, "53")] * 4 + [problem("What is 15 - 5?", "10")]
    said = ["23 + 30", "The answer is 23 + 30.", "23 + 30 = 53", "The sum of 23 and 30 is 53.", "\\boxed{15 - 5}"]
    with GroundTruth() as truth:
        verdicts = truth.grade(asked, said)
    assert [v.outcome for v in verdicts] == [0.0, 0.0, 1.0, 1.0, 0.0]
    assert "not computed" in verdicts[0].detail
