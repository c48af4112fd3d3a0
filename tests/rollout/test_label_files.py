"""Label rows on disk: what is written comes back, and what could train nonsense is refused with file and row."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ponder.labels import parquet
from ponder.labels.foreign import APS_TAG, STEP_TAG, math_aps, math_shepherd, prm800k
from ponder.labels.labelled import Labelled
from ponder.labels.rows import LabelRow, Origin, as_data, cut_after_first_error, fingerprint, from_data
from ponder.types import PonderError, StepLabel
from tests.rollout.scripted import PROBLEM, trajectory

ORIGIN = Origin("omega", "tiny", "abc", "\n", 0)
ITEM = Labelled(
    trajectory("abW"),
    (StepLabel(1, 0.25, 8), StepLabel(2, 0.0, 1)),
    outcome=0.0,
    first_error=2,
    advantages_S=(0.5, -0.25, -0.25),
)
ROW = ORIGIN.row(ITEM)


def test_a_row_explains_itself() -> None:
    assert (ROW.question, ROW.steps, ROW.tokens) == (PROBLEM.question.text, ("a", "b", "W"), ((97,), (98,), (87,)))
    assert (ROW.label_steps, ROW.labels, ROW.rollouts) == ((1, 2), (0.25, 0.0), (8, 1))
    assert (ROW.outcome, ROW.first_error, ROW.tokenizer, ROW.step_rule) == (0.0, 2, "abc", "\n")


def test_what_is_written_comes_back(tmp_path: Path) -> None:
    rows = [ROW, replace(ROW, first_error=None, outcome=None, advantages=())]
    parquet.write(tmp_path / "labels.parquet", rows)
    assert parquet.read(tmp_path / "labels.parquet", tokenizer="abc", step_rule="\n") == rows
    assert from_data(json.loads(json.dumps(as_data(ROW))), "here") == ROW


def test_an_empty_file_has_the_columns_all_the_same(tmp_path: Path) -> None:
    parquet.write(tmp_path / "labels.parquet", [])
    assert pq.read_table(tmp_path / "labels.parquet").schema.equals(parquet.SCHEMA)
    assert parquet.read(tmp_path / "labels.parquet") == []


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"labels": (0.25, float("nan"))}, "not finite"),
        ({"advantages": (float("inf"), 0.0, 0.0)}, "not finite"),
        ({"outcome": float("nan")}, "not finite"),
        ({"labels": (0.25, 1.5)}, "outside 0..1: 1.5"),
        ({"tokens": ((97,), (), (87,))}, "step 1 is empty"),
        ({"tokens": (), "steps": ("a", "  ", "W")}, "step 1 is empty"),
        ({"tokens": ((97,),)}, "1 lists of tokens for 3 steps"),
        ({"steps": (), "tokens": ()}, "without steps"),
        ({"label_steps": (2, 1)}, "not rising"),
        ({"label_steps": (1, 3)}, "not rising within 0..2"),
        ({"rollouts": (8,)}, "2 labels and 1 rollouts"),
        ({"first_error": 3}, "first error 3"),
        ({"advantages": (0.5,)}, "1 advantages for 3 steps"),
        ({"correctness": True, "labels": (0.0, 0.0)}, "labels after the first error"),
    ],
)
def test_a_row_that_would_train_nonsense_is_refused_with_file_and_row(
    tmp_path: Path, changed: dict[str, Any], said: str
) -> None:
    file = tmp_path / "labels.parquet"
    bad = replace(ROW, **changed)
    with pytest.raises(PonderError, match=f"row 1: .*{said}"):
        parquet.write(file, [ROW, bad])
    pq.write_table(pa.Table.from_pylist([as_data(ROW), as_data(bad)], schema=parquet.SCHEMA), file)
    with pytest.raises(PonderError, match=f"labels.parquet, row 1: .*{said}"):
        parquet.read(file)


def test_a_step_whose_tokens_print_as_nothing_is_not_empty(tmp_path: Path) -> None:
    parquet.write(tmp_path / "labels.parquet", [replace(ROW, steps=("a", "b", ""))])


def test_labels_of_another_tokenizer_or_step_rule_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "labels.parquet"
    parquet.write(file, [ROW])
    with pytest.raises(PonderError, match=r"labels.parquet, row 0: labels for tokenizer abc.*'s is other"):
        parquet.read(file, tokenizer="other")
    with pytest.raises(PonderError, match="row 0: steps end at"):
        parquet.read(file, step_rule="\n\n")


def test_a_file_that_is_none_or_another_is_named(tmp_path: Path) -> None:
    with pytest.raises(PonderError, match="no such file"):
        parquet.read(tmp_path / "none.parquet")
    (tmp_path / "text.parquet").write_text("not parquet")
    with pytest.raises(PonderError, match="not a Parquet file"):
        parquet.read(tmp_path / "text.parquet")
    pq.write_table(pa.table({"id": ["a"]}), tmp_path / "other.parquet")
    with pytest.raises(PonderError, match="row 0: no advantages"):
        parquet.read(tmp_path / "other.parquet")


def test_the_fingerprint_is_of_the_vocabulary_and_not_of_its_order() -> None:
    assert fingerprint({"a": 0, "b": 1}) == fingerprint({"b": 1, "a": 0}) != fingerprint({"a": 1, "b": 0})


def test_labels_after_the_first_error_can_be_cut() -> None:
    row = replace(ROW, label_steps=(0, 1, 2), labels=(1.0, 0.0, 0.0), rollouts=(1, 1, 1))
    cut = cut_after_first_error(row)
    assert (cut.label_steps, cut.labels, cut.first_error) == ((0, 1), (1.0, 0.0), 1)


def shepherd_row(*steps: tuple[str, str]) -> dict[str, str]:
    def text(tags: list[str]) -> str:
        parts = [f"Step {i + 1}: {step} {tag}" for i, ((step, _), tag) in enumerate(zip(steps, tags, strict=True))]
        return "What is 1+1? " + "\n".join(parts)

    return {"input": text([STEP_TAG] * len(steps)), "label": text([s for _, s in steps]), "task": "GSM8K"}


def written(path: Path, *rows: object) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def test_math_shepherd_rows_are_read(tmp_path: Path) -> None:
    file = written(
        tmp_path / "ms.jsonl",
        shepherd_row(("1 + 1 - 0 = 2", "+"), ("The answer is: 2", "+")),
        shepherd_row(("1+1=3", "-"), ("The answer is: 3", "-")),
    )
    right, wrong = math_shepherd(file)
    assert right.question == "What is 1+1?" and right.family == "GSM8K" and right.correctness
    assert right.steps == ("Step 1: 1 + 1 - 0 = 2", "Step 2: The answer is: 2")
    assert (right.labels, right.first_error) == ((1.0, 1.0), -1)
    assert (wrong.labels, wrong.first_error, len(wrong.steps)) == ((0.0,), 0, 2)
    with pytest.raises(PonderError, match=r"ms.jsonl, row 1: labels after the first error"):
        math_shepherd(file, strict=True)


def test_math_aps_rows_are_read_from_lines_or_one_list(tmp_path: Path) -> None:
    row = {"question": "What?", "process": f"one {APS_TAG}two {APS_TAG}", "label": ["+", "-"]}
    lists = tmp_path / "aps.json"
    lists.write_text(json.dumps([row]))
    for file in (written(tmp_path / "aps.jsonl", row), lists):
        (found,) = math_aps(file)
        assert (found.steps, found.labels, found.first_error) == (("one", "two"), (1.0, 0.0), 1)


def prm(*steps: dict[str, Any]) -> dict[str, Any]:
    return {"question": {"problem": "What?"}, "label": {"steps": list(steps), "finish_reason": "found_error"}}


def completions(*rated: tuple[str, int | None], chosen: int | None = None, human: str | None = None) -> dict[str, Any]:
    return {
        "completions": [{"text": text, "rating": rating, "flagged": False} for text, rating in rated],
        "human_completion": None if human is None else {"text": human},
        "chosen_completion": chosen,
    }


def test_prm800k_rows_follow_the_chosen_completions_up_to_the_error(tmp_path: Path) -> None:
    row = prm(
        completions(("good", 1), ("bad", -1), chosen=0),
        completions(("worse", -1), human="by hand"),
        completions(("neutral", 0), chosen=0),
        completions(("wrong", -1)),
    )
    unrated = prm(completions(("good", 1), chosen=0), completions(("unseen", None)))
    first, second = prm800k(written(tmp_path / "prm.jsonl", row, unrated))
    assert first.steps == ("good", "by hand", "neutral", "wrong") and first.labels == (1.0, 1.0, 1.0, 0.0)
    assert first.first_error == 3
    assert (second.steps, second.labels, second.first_error) == (("good", "unseen"), (1.0,), None)


@pytest.mark.parametrize(
    ("read", "row", "said"),
    [
        (math_shepherd, {"input": "What? Step 1: a", "label": "What? Step 1: a"}, "no step tag"),
        (math_shepherd, {"input": f"What? Step 1: a {STEP_TAG}"}, "no field 'label'"),
        (math_shepherd, {"input": f"Q Step 1: a {STEP_TAG}", "label": "Q Step 1: b +"}, "does not follow"),
        (math_shepherd, {"input": f"Q Step 1: a {STEP_TAG}", "label": "Q Step 1: a ?"}, "does not follow"),
        (math_shepherd, {"input": f"Q a {STEP_TAG}", "label": "Q a +"}, "no Step 1"),
        (math_aps, {"question": "Q", "process": f"a{APS_TAG}", "label": ["+", "-"]}, "as many labels"),
        (math_aps, {"question": "Q", "process": f"a{APS_TAG}", "label": ["?"]}, "labels"),
        (math_aps, {"question": "Q", "process": f"a{APS_TAG}{APS_TAG}b", "label": ["+", "+", "+"]}, "step 1 is empty"),
        (math_aps, {"question": "Q", "process": None, "label": []}, "not a math-aps row"),
        (prm800k, {"question": {"problem": "Q"}}, "no field 'label'"),
        (prm800k, prm(), "without steps"),
        (prm800k, prm(completions(("a", 2), chosen=0)), "rating 2"),
        (prm800k, prm(completions(("a", 1), chosen=3)), "not a prm800k row"),
    ],
)
def test_a_foreign_row_of_another_form_is_named_with_file_and_row(
    tmp_path: Path, read: Any, row: dict[str, Any], said: str
) -> None:
    with pytest.raises(PonderError, match=f"rows.jsonl, row 0: .*{said}"):
        read(written(tmp_path / "rows.jsonl", row))


def test_a_line_that_is_no_json_and_a_row_that_is_no_object_are_named(tmp_path: Path) -> None:
    (tmp_path / "torn.jsonl").write_text('{"question": ')
    with pytest.raises(PonderError, match=r"torn.jsonl, row 0: not valid JSON"):
        math_aps(tmp_path / "torn.jsonl")
    with pytest.raises(PonderError, match=r"row 0: not a JSON object"):
        math_aps(written(tmp_path / "three.jsonl", 3))
    with pytest.raises(PonderError, match="cannot be read"):
        math_aps(tmp_path / "none.jsonl")


@given(st.text(max_size=40), st.text(max_size=40))
def test_any_text_is_read_or_refused_by_name(text: str, label: str) -> None:
    from ponder.labels import foreign

    for parse in (foreign._shepherd, foreign._aps, foreign._prm800k):
        try:
            parse({"input": text, "label": label, "question": text, "process": label})
        except (ValueError, KeyError, TypeError, IndexError, AttributeError):
            continue


def test_rows_are_frozen_and_comparable() -> None:
    assert isinstance(ROW, LabelRow) and replace(ROW) == ROW
