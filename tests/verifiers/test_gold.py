"""Gold answers that are no answers fail; worked solutions give theirs, and the verdict says so."""

from __future__ import annotations

import json

import pytest

from ponder.problems.files.jsonl import Jsonl
from ponder.problems.files.written import answer_text, loads
from ponder.verifiers.rules.mathematics.gold import GoldError, gold_answer
from ponder.verifiers.rules.mathematics.pool import MathVerifier


@pytest.fixture(scope="module")
def verifier():
    verifier = MathVerifier(workers=1)
    yield verifier
    verifier.close()


@pytest.mark.parametrize(
    "gold",
    [
        "nan", "NaN", "null", "", "  ",
        "She sells nine eggs every day at the market and eats three of them for breakfast.",
        "First add them. Then divide by two.",
        r"The roots are \boxed{1} or perhaps, no, wait \boxed{}. Then \boxed{",
    ],
)  # fmt: skip
def test_what_is_no_answer_is_a_failure_also_if_the_response_has_none(verifier, gold):
    verdicts = list(verifier.grade([(gold, r"\boxed{5}"), (gold, "I do not know.")]))
    assert [verdict.failure for verdict in verdicts] == ["gold", "gold"]


@pytest.mark.parametrize(
    ("gold", "answer", "where"),
    [
        ("Janet sells 16 - 3 - 4 = <<16-3-4=9>>9 eggs.\n#### 18", "18", "#### mark"),
        (r"We add and get $\boxed{\frac{1}{2}}$.", r"\frac{1}{2}", "box"),
        ("So it is <answer>7</answer>", "7", "answer tags"),
        ("5", "5", ""),
        (r"\text{No solution}", r"\text{No solution}", ""),
    ],
)
def test_a_worked_solution_gives_its_answer(gold, answer, where):
    found = gold_answer(gold)
    assert found.answer == answer
    assert where in found.taken_from and bool(where) == bool(found.taken_from)


def test_the_verdict_says_where_the_gold_answer_came_from(verifier):
    right, wrong = verifier.grade([("so\n#### 1,200", r"\boxed{1200}"), ("so\n#### 1,200", r"\boxed{12}")])
    assert (right.outcome, wrong.outcome) == (1.0, 0.0)
    assert "gold answer from the gold solution's #### mark" in right.detail


def test_prose_names_what_was_got_and_what_to_do():
    with pytest.raises(GoldError, match=r"prose.*give the answer alone"):
        gold_answer("It is the sum of all of the numbers that were given in the first table of them.")


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ('"5"', "5"), ("5", "5"), ("0.12345678901234567890123", "0.12345678901234567890123"), ("1e-7", "1e-7"),
        ('["1", "2"]', "1, 2"), ("[1, 2]", "1, 2"),
        ("[[1, 2], [3, 4]]", r"\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}"),
        ("[[1, 2], [3]]", "(1, 2), (3)"), ("[[[0, 1], [2, 3]]]", "0 1\n2 3"), ("null", None), ('["(1,2)"]', "(1,2)"),
    ],
)  # fmt: skip
def test_answers_of_json_rows_are_text_as_mathematics_reads_it(written, text):
    assert answer_text(loads(written)) == text


def test_a_list_in_a_file_is_graded_as_a_list(tmp_path, verifier):
    rows = [
        {"id": "a", "problem": "Roots?", "answer": ["1", "2"]},
        {"id": "b", "problem": "A?", "answer": [[1, 2], [3, 4]]},
    ]
    path = tmp_path / "rows.jsonl"
    path.write_text("\ufeff" + "".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    gold = {row.problem.id: row.problem.key.answer for row in Jsonl(path, split="all").rows}
    responses = {"a": r"\boxed{2} and \boxed{1}", "b": r"\boxed{\begin{bmatrix}1&2\\3&4\end{bmatrix}}"}
    assert [v.outcome for v in verifier.grade((gold[k], responses[k]) for k in "ab")] == [1.0, 1.0]
