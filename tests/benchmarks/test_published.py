"""Published figures: the claims hold on rows that are as published, and each fails where rows or grader are not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import published, published_mistakes
from ponder.types import PonderError

OPENING = ["We should process each input one by one.", "stack: empty"]
# [ ( ) is closed by ]
RIGHT = [
    *OPENING, "[ ; stack: [", "( ; stack: [ (", ") ; stack: [", 'The final stack is "[".',
    'We will need to pop out "[".', 'So, we need "]". So the answer is ]',
]  # fmt: skip


def found(tmp_path: Path, name: str, *rows: dict[str, Any]) -> dict[str, Any]:
    path = tmp_path / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return {claim.text: claim.got for claim in published.claims(path)}


def test_worked_solutions_are_graded_by_the_suite(tmp_path: Path):
    right = {"id": "a", "problem": "How many?", "answer": "18", "solution": "9 * 2 = <<9*2=18>>18 eggs"}
    wrong = {
        **right,
        "id": "b",
        "problem": "And now?",
        "solution": r"So \boxed{19} eggs.",
    }  # a box and a mark that differ
    got = found(tmp_path, "gsm8k_train.jsonl", right, wrong)
    assert got == {"problems (train or test)": 2, "worked solutions graded wrong": ["b"]}


def test_instructions_and_the_shares_they_can_give(tmp_path: Path):
    row = {"id": "a", "problem": "No commas.", "constraints": [{"id": "punctuation:no_comma", "kwargs": {}}]}
    got = found(tmp_path, "ifeval_prompts.jsonl", row)
    assert got["prompts"] == got["kinds of instructions"] == got["instructions that were checked"] == 1
    assert got["published accuracies that are no share of these counts"] == list(published.SHARES)
    assert published.is_share(76.89, 541) and published.is_share(83.57, 834) and not published.is_share(76.9, 541)


@pytest.mark.parametrize(
    ("steps", "first"),
    [
        (RIGHT, -1),
        ([*RIGHT[:6], 'We will need to pop out "[". So the answer is ]'], -1),
        ([*RIGHT[:3], "( ; stack: (", *RIGHT[4:]], 3),
        ([*RIGHT[:4], ") ; stack: [ ( )", *RIGHT[5:]], 4),
        ([*RIGHT[:4], *RIGHT[5:]], 4),
        ([*RIGHT[:7], 'So, we need ")". So the answer is )'], 7),
        (RIGHT[:6], 5),
    ],
)
def test_the_first_wrong_step_with_brackets(steps: list[str], first: int):
    assert published_mistakes.first_wrong("[ ( )", steps) == first


def test_popped_twice():
    steps = [*OPENING, "< ; stack: <", "[ ; stack: < [", "[ ; stack: < [ [", 'The final stack is "< [ [".']
    steps += ['We will need to pop out "[" twice, then "<".', 'So, we need "]", "]", ">". So the answer is ] ] >']
    assert published_mistakes.first_wrong("< [ [", steps) == -1


def test_keys_are_worked_out_again(tmp_path: Path):
    rows: list[dict[str, Any]] = [
        {"id": "m", "task": "multistep_arithmetic", "problem": "((-4 + 5) * 3) = ", "answer": "4"},
        {"id": "w", "task": "word_sorting", "problem": "pond elm", "answer": "elm pond"},
        {"id": "d-1", "task": "dyck_languages", "problem": "[ ( )", "answer": ">", "model_answer": "]", "steps": RIGHT,
         "first_error": 2},
        {"id": "d-2", "task": "dyck_languages", "problem": "[ ( )", "answer": "]", "model_answer": ">", "steps": RIGHT,
         "first_error": None},
    ]  # fmt: skip
    got = found(tmp_path, "bigbench_mistake_a.jsonl", *rows)
    assert got["multistep_arithmetic: answers that are not the value"] == ["m"]
    assert got["word_sorting: answers that are not sorted"] == []
    assert got["dyck_languages: answers that do not close"] == ["d-1"]
    assert next(ids for text, ids in got.items() if "a program does not find" in text) == ["d-1"]
    assert got["dyck_languages: F1 of 'never wrong'"] == 0.0
    assert got["dyck_languages: traces without an error that end wrong"] == 1


def test_the_exit_status_says_whether_all_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any):
    path = tmp_path / "ifeval.jsonl"
    path.write_text(
        json.dumps({"id": "a", "problem": "No commas.", "constraints": [{"id": "punctuation:no_comma"}]}) + "\n"
    )
    monkeypatch.setattr("sys.argv", ["published", str(path)])
    assert published.main() == 1
    assert "FAIL ifeval.jsonl: prompts (arXiv 2311.07911): expected 541, got 1" in capsys.readouterr().out


def test_a_file_that_nothing_is_known_of(tmp_path: Path):
    with pytest.raises(PonderError, match=r"other\.jsonl: the name of a file begins with one of humaneval, mbpp"):
        list(published.claims(tmp_path / "other.jsonl"))
