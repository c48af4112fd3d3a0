"""Critiques: written, read back, and kept only if every verdict agrees."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ponder.verifiers.learned.generative.critique import agrees, complete, read, step_scores, write


def test_a_critique_ends_with_the_first_wrong_step_and_names_it():
    assert write([True, False, True]) == "1 right\n2 wrong\n"
    assert read("1 right\n2 wrong\n") == (True, False)


@given(st.lists(st.booleans(), min_size=1, max_size=12))
def test_what_is_written_is_read_back(right):
    text = write(right)
    verdicts = read(text)
    assert verdicts is not None and write(verdicts) == text
    assert complete(text, len(right)) and agrees(text, right)
    assert verdicts == tuple(right[: right.index(False) + 1] if False in right else right)


@pytest.mark.parametrize(
    "text", ["", "\n", "right", "1 maybe\n", "2 right\n", "1 right\n1 right\n", "1 wrong\n2 right\n", "1 right 2 wrong"]
)
def test_what_is_no_critique_is_none(text):
    assert read(text) is None
    assert not complete(text, 1)


@given(st.text(alphabet="12 rightwong\n", max_size=40))
def test_reading_never_fails(text):
    read(text)


def test_one_verdict_too_few_or_too_many_drops_the_critique():
    assert not agrees("1 right\n", [True, True])
    assert not agrees("1 right\n2 right\n3 right\n", [True, True])


def test_the_filter_by_steps_keeps_fewer_than_a_filter_by_the_whole_would():
    labels = [True, False, True]
    texts = ["1 right\n2 wrong\n", "1 wrong\n", "1 right\n2 right\n3 wrong\n", "1 right\n2 right\n3 right\n"]
    by_whole = [t for t in texts if False in (read(t) or ())]  # they call the whole wrong, as it is
    by_steps = [t for t in texts if agrees(t, labels)]
    assert len(by_whole) == 3 and by_steps == texts[:1]


def test_step_scores_are_shares_of_critiques():
    texts = ["1 right\n2 right\n", "1 right\n2 wrong\n", "1 wrong\n"]
    assert step_scores(texts, 2) == pytest.approx((2 / 3, 1 / 3))
    assert step_scores([*texts, "nonsense"], 2) is None
    assert step_scores([], 2) is None
