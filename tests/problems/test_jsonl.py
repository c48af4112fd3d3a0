"""Files: rows become problems, splits follow one rule, and every kind of broken file is refused with file and line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ponder.problems.files.jsonl import Jsonl
from ponder.problems.overlap import refuse_overlap, refuse_overlapping, shared
from ponder.problems.splits import SPLITS, split_of
from ponder.types import PonderError

ROW = {"id": "a", "problem": "What is 2+2?", "answer": "4"}


def write(path: Path, *rows: dict[str, Any] | str) -> Path:
    path.write_text(
        "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows), encoding="utf-8"
    )
    return path


@pytest.fixture
def many(tmp_path: Path) -> Path:
    rows = [{"id": f"r{i}", "problem": f"What is {i}+1?", "answer": str(i + 1)} for i in range(200)]
    return write(tmp_path / "sums.jsonl", *rows)


def test_a_row_becomes_a_problem_with_everything_else_in_its_key(tmp_path: Path) -> None:
    row = {**ROW, "level": 3, "subject": "sums", "solution": "2+2=4"}
    problem = Jsonl(write(tmp_path / "f.jsonl", row), split="all").problem(0)
    assert (problem.id, problem.family, problem.level) == ("a", "f", 3)
    assert problem.question.text == "What is 2+2?"
    assert "boxed" in problem.question.instructions
    assert problem.key.answer == "4"
    assert problem.key.data == {"verifier": "math", "level": 3, "subject": "sums", "solution": "2+2=4"}


@pytest.mark.parametrize(
    ("more", "verifier"),
    [
        ({"answer": "4"}, "math"),
        ({"answer": 4}, "math"),
        ({"answer": "pass", "tests": ["assert True"]}, "code"),
        ({"answer": None, "constraints": [{"id": "x", "kwargs": {}}]}, "constraints"),
        ({"answer": "4", "verifier": "code"}, "code"),
        ({"answer": [[[1, 2]]], "problem": {"train": [], "test": [[[2]]]}}, "grid"),
    ],
)
def test_the_verifier_follows_from_the_fields(tmp_path: Path, more: dict[str, Any], verifier: str) -> None:
    path = write(tmp_path / "f.jsonl", {"id": 1, "problem": "?", **more})
    assert Jsonl(path, split="all").problem(0).key.data["verifier"] == verifier
    assert Jsonl(path, split="all", verifier="math").problem(0).key.data["verifier"] == "math"


def test_a_row_with_an_empty_answer_is_left_out_and_told(tmp_path: Path) -> None:
    family = Jsonl(write(tmp_path / "f.jsonl", {**ROW, "id": 0, "problem": "?", "answer": ""}, ROW), split="all")
    assert (len(family), family.skipped) == (1, (1,))


def test_grids_are_shown_as_rows(tmp_path: Path) -> None:
    task = {"train": [{"input": [[0, 1]], "output": [[1], [0]]}], "test": [[[2, 3]]]}
    row = {"id": "g", "problem": task, "answer": [[[3], [2]]]}
    problem = Jsonl(write(tmp_path / "f.jsonl", row), split="all").problem(0)
    assert problem.question.text == "Input:\n0 1\nOutput:\n1\n0\n\nInput:\n2 3\nOutput:"
    assert problem.key.answer == "3\n2"


def test_each_split_is_the_rows_whose_text_hashes_into_it(many: Path) -> None:
    family = Jsonl(many)
    assert sum(family.size(split) for split in SPLITS) == len(family) == 200
    for split in SPLITS:
        asked = {family.problem(i, split=split, seed=4).question.text for i in range(family.size(split))}
        assert len(asked) == family.size(split) > 0  # a permutation: every row once
        assert all(split_of("".join(text.split()).casefold()) == split for text in asked)


def test_an_index_beyond_the_last_row_begins_again_and_seeds_shuffle(many: Path) -> None:
    family = Jsonl(many)
    size = family.size("train")
    assert family.problem(5) == family.problem(5 + size) == Jsonl(many).problem(5)
    orders = [[family.problem(i, seed=seed).id for i in range(size)] for seed in (0, 1)]
    assert orders[0] != orders[1]
    assert sorted(orders[0]) == sorted(orders[1])


def test_rows_and_specs_may_name_the_split(tmp_path: Path) -> None:
    rows = [{**ROW, "id": s, "problem": s, "split": s} for s in (*SPLITS, "prompt")]
    path = write(tmp_path / "f.jsonl", *rows)
    assert [row.problem.id for row in Jsonl(path).of("train")] == ["train", "prompt"]
    assert [Jsonl(path, split="test").size(s) for s in SPLITS] == [0, 0, 4]
    assert [Jsonl(path, split="all").size(s) for s in SPLITS] == [4, 4, 4]
    with pytest.raises(PonderError, match=r"no train rows \(train 0, validation 0, test 4\).*split=train or all"):
        Jsonl(path, split="test").problem(0)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "f.jsonl: it has no rows"),
        (["", "  "], "f.jsonl: it has no rows"),
        ([ROW, "{"], "f.jsonl, line 2: not JSON"),
        ([ROW, "", "nope"], "f.jsonl, line 3: not JSON"),
        (["[1]"], "f.jsonl, line 1: list instead of an object"),
        (["null"], "f.jsonl, line 1: NoneType instead of an object"),
        ([{"problem": "x", "answer": "1"}], "line 1: no 'id'"),
        ([{"id": "x", "answer": "1"}], "line 1: no 'problem'"),
        ([{**ROW, "problem": ""}], "line 1: 'problem' is \"\""),
        ([{**ROW, "problem": 5}], "line 1: 'problem' is 5"),
        ([{**ROW, "id": None}], "line 1: 'id' is null"),
        ([{"id": "x", "problem": "y"}], "line 1: nothing to grade against"),
        ([{**ROW, "answer": None}], "none of its 1 rows has an answer"),
        ([{**ROW, "problem": {"train": [], "test": [5]}}], "line 1: a problem is text or"),
        ([{**ROW, "problem": {"train": 1}}], "line 1: a problem is text or"),
        ([{**ROW, "verifier": "maths"}], "line 1:.*'maths'. Did you mean 'math'"),
        ([{**ROW, "split": "trian"}], "line 1:.*'trian'. Did you mean 'train'"),
        ([ROW, {**ROW, "problem": "other"}], "line 2: id 'a' stands in line 1 too"),
        (
            [{**ROW, "split": "train"}, {**ROW, "id": "b", "problem": "what is 2 + 2?", "split": "test"}],
            "line 2: this test problem is a train problem in line 1",
        ),
    ],
)
def test_a_broken_file_is_refused_with_file_and_line(tmp_path: Path, lines: list[Any], message: str) -> None:
    with pytest.raises(PonderError, match=message):
        Jsonl(write(tmp_path / "f.jsonl", *lines))


def test_bytes_that_are_not_utf8_are_refused_with_their_line(tmp_path: Path) -> None:
    path = tmp_path / "f.jsonl"
    path.write_bytes(json.dumps(ROW).encode() + b'\n{"id": "\xff"}\n')
    with pytest.raises(PonderError, match="line 2: not UTF-8"):
        Jsonl(path)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PonderError, match="No such file"):
        Jsonl(tmp_path / "none.jsonl")
    with pytest.raises(PonderError, match="Is a directory"):
        Jsonl(tmp_path)


def test_other_line_ends_and_a_byte_order_mark_are_read(tmp_path: Path) -> None:
    path = tmp_path / "f.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(ROW).encode() + b"\r\n")
    assert len(Jsonl(path)) == 1


def test_a_line_separator_inside_a_problem_does_not_end_a_row(tmp_path: Path) -> None:
    row = {**ROW, "problem": "a\u2028b"}
    path = tmp_path / "f.jsonl"
    path.write_text(json.dumps(row, ensure_ascii=False) + "\n", encoding="utf-8")
    assert Jsonl(path, split="all").problem(0).question.text == "a\u2028b"


def test_a_problem_that_two_files_share_is_refused_with_both_places(tmp_path: Path) -> None:
    one = Jsonl(write(tmp_path / "one.jsonl", ROW, {**ROW, "id": "b", "problem": "x"}), split="train")
    other = Jsonl(
        write(tmp_path / "two.jsonl", {**ROW, "id": "c", "problem": "y"}, {**ROW, "problem": "WHAT is2+2 ?"}),
        split="test",
    )
    with pytest.raises(PonderError, match=r"train and test share 1 problem: .*one.jsonl:1 = .*two.jsonl:2"):
        refuse_overlapping([one], [other])
    refuse_overlapping([one], [other], splits=("train", "train"))


def test_only_the_first_few_are_named() -> None:
    same = [(f"p{i}", f"f:{i}") for i in range(9)]
    with pytest.raises(PonderError, match=r"share 9 problems: f:0 = f:0; f:1 = f:1; f:2 = f:2; \.\.\."):
        refuse_overlap(same, same)
    assert shared(same, [("q", "g:1")]) == []
    refuse_overlap([], same)


def test_one_file_with_hashed_splits_cannot_overlap_with_itself(many: Path) -> None:
    refuse_overlapping([Jsonl(many)], [Jsonl(many)])
    with pytest.raises(PonderError, match="share"):
        refuse_overlapping([Jsonl(many, split="all")], [Jsonl(many)])
