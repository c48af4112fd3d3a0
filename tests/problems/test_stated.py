"""What a chat model says is read as the number that it states, and nothing else is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ponder.problems.families.stated import stated_integer


@pytest.mark.parametrize(
    ("text", "stated"),
    [
        ("15", 15),
        ("15.", 15),
        ("-6", -6),
        ("+007", 7),
        ("6 + 9 = 15.", 15),
        ("1 - 7 = - 6", -6),
        ("To find it we add.\n\nSo, the answer is 15.", 15),
        ("**Answer: 15**", 15),
        ("The sum is $15$.", 15),
        (r"\(6 + 9 = 15\)", 15),
        (r"We get \boxed{15}, which is more than 14", 15),
        ("10 + 6 = 6 + 6 = 12.", 12),
        ("15 apples", None),
        ("The answer is 15 or it is 16", None),
        ("It is 15, I think", None),
        ("= 15.5", None),
        ("The answer is not 15", None),
        (r"\boxed{x} = 15", None),
        ("6 + 9", None),
        ("is 15\nI am not sure", None),
        ("", None),
        ("9" * 41, None),
    ],
)
def test_by_hand(text: str, stated: int | None) -> None:
    assert stated_integer(text) == stated


@given(st.integers(-(10**20), 10**20), st.text(alphabet="ab +-*,.\n", max_size=30))
def test_a_number_at_the_end_of_a_sentence_is_read_whatever_stands_before(value: int, words: str) -> None:
    assert stated_integer(f"{words} = {value}") == value
    assert stated_integer(f"{words}\nThe answer is {value}.") == value


@given(st.text(max_size=60))
def test_any_text_is_an_integer_or_none(text: str) -> None:
    found = stated_integer(text)
    assert found is None or isinstance(found, int)
