"""Each row of docs/grading.md does what it says."""

from __future__ import annotations

import html
import re
from pathlib import Path

import pytest

from ponder.verifiers.rules.mathematics.equivalence import equivalent
from ponder.verifiers.rules.mathematics.extraction import extract

PAGE = (Path(__file__).parents[2] / "docs" / "grading.md").read_text(encoding="utf-8")


def _rows(section):
    """Gold, answer and verdict of each row of the table after the comment `section`."""
    table = PAGE.split(f"<!-- {section} -->")[1].split("\n\n")[0]
    found = [re.findall(r"`([^`]*)` \| `([^`]*)` \| (right|wrong) \|$", line) for line in table.splitlines()]
    return [(gold, html.unescape(answer), verdict == "right") for row in found for gold, answer, verdict in row]


def test_every_row_of_both_tables_is_read():
    lines = [line for line in PAGE.splitlines() if line.endswith(("| right |", "| wrong |"))]
    assert len(_rows("responses")) + len(_rows("answers")) == len(lines) > 50


@pytest.mark.parametrize(("gold", "response", "right"), _rows("responses"))
def test_a_response_is_graded_as_the_page_says(gold, response, right):
    answers = extract(response).answers
    assert (bool(answers) and all(equivalent(gold, answer) for answer in answers)) is right


@pytest.mark.parametrize(("gold", "answer", "right"), _rows("answers"))
def test_an_answer_is_graded_as_the_page_says(gold, answer, right):
    assert equivalent(gold, answer) is right


@pytest.mark.parametrize("gold", sorted({gold for gold, _, _ in _rows("answers")}))
def test_each_gold_answer_is_right_for_itself_also_with_other_spacing(gold):
    assert equivalent(gold, gold)
    assert equivalent(gold, f" ${gold}$ " if "$" not in gold else f" {gold} ")
