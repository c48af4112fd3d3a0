"""Passages as problems: gaps whose words stand in the passage, splits by passage, answers compared strictly."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ponder.problems.files.corpus import GAP, Corpus, Passage, gaps, plain
from ponder.problems.registry import parse
from ponder.problems.selfcheck import check
from ponder.types import PonderError

SHIPPED = Path(__file__).parents[2] / "recipes" / "corpus" / "passages.txt"


def file(folder: Path, *rows: tuple[str, str]) -> Path:
    path = folder / "facts.jsonl"
    path.write_text("".join(json.dumps({"text": text, "split": split}) + "\n" for text, split in rows))
    return path


ROWS = (
    ("The bridge of Avila was opened in 1872.", "train"),
    ("It rains on 112 days of the year in Tarn.", "validation"),
    ("The bell of Sora weighs 3,400 kilograms.", "test"),
)


def test_the_shipped_passages_prove_themselves() -> None:
    family = parse(f"corpus:{SHIPPED}")
    report = check(family, 12)
    assert report.ok, report.faults
    assert family.name == "passages"


def test_every_gap_is_filled_by_words_of_its_passage_and_holds_its_split(tmp_path: Path) -> None:
    family = Corpus(SHIPPED)
    texts = {split: [passage.text for passage in family.of(split)] for split in ("train", "validation", "test")}
    for split, some in texts.items():
        for index in range(family.size(split)):
            problem = family.problem(index, split=split)
            sentence, answer = problem.question.text.partition("? ")[2], str(problem.key.answer)
            assert any(sentence.replace(GAP, answer) in text for text in some)
            assert answer not in sentence.split(GAP)  # it does not stand beside the gap as well
    assert not set(texts["train"]) & {*texts["validation"], *texts["test"]}


def test_numbers_and_names_are_taken_out_and_a_word_that_stands_twice_is_not() -> None:
    passage = Passage("p", "In Rome 3 of 3 wells in Rome were dry. They lie by the Tiber.", "train", 1)
    assert [(asked, answer) for _, asked, answer in gaps(passage)] == [
        ("What stands in the gap? They lie by the ____.", "Tiber")
    ]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("The Nile.", "nile", True),
        ("3,400", "3400", True),
        ("3.5", "35", False),
        ("Nile or Congo", "Nile", False),
        ("", "the", True),  # both are nothing, and nothing is never right
    ],
)
def test_answers_are_compared_without_case_punctuation_and_articles(one: str, other: str, same: bool) -> None:
    assert (plain(one) == plain(other)) == same


def test_an_empty_answer_is_wrong_even_where_nothing_is_left_of_the_gold_one(tmp_path: Path) -> None:
    family = Corpus(file(tmp_path, *ROWS))
    problem = family.asked("x", "?", "the", "p")
    assert family.grade(problem, "the").outcome == 0.0
    weight = family.asked("y", "?", "3,400", "p")
    assert family.grade(weight, "</think>3400").outcome == 1.0
    assert family.grade(weight, "").outcome == 0.0


def test_passages_of_plain_text_are_parted_by_empty_lines_and_know_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "many.txt"
    path.write_text("\n\n".join(f"House {n} in Avila was built in {1800 + n}." for n in range(30)))
    family = Corpus(path)
    assert [(p.id, p.line) for p in family.passages[:3]] == [("line 1", 1), ("line 3", 3), ("line 5", 5)]
    assert sum(len(family.of(split)) for split in ("train", "validation", "test")) == 30


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (ROWS[:2], "no question can be made for the split test"),
        ((*ROWS, ("The bridge of Avila was opened in 1872.", "test")), "line 4: this test passage is a train passage"),
        ((*ROWS, ("Nothing.", "dev")), "unknown split"),
        ((*ROWS, (" ", "test")), "line 4: a row is"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_with_its_line(
    tmp_path: Path, rows: tuple[tuple[str, str], ...], says: str
) -> None:
    with pytest.raises(PonderError, match=says):
        Corpus(file(tmp_path, *rows))


def test_a_missing_file_is_named() -> None:
    with pytest.raises(PonderError, match="cannot read /no/such/file"):
        Corpus("/no/such/file")
