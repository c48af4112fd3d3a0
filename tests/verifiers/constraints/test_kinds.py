"""Each kind in both directions: a response that follows the instruction and one that just does not."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ponder.verifiers.rules.constraints.combination import check
from ponder.verifiers.rules.constraints.kinds import KINDS, ConstraintError, checked
from ponder.verifiers.rules.constraints.length import sentences

LEAST, LESS = "at least", "less than"
CASES = [
    ("keywords:existence", {"keywords": ["mom", "grow"]}, "Moms GROW.", "Moms shrink."),
    ("keywords:existence", {"keywords": ["a.b"]}, "see a.b", "see axb"),
    ("keywords:frequency", {"keyword": "war", "relation": LEAST, "frequency": 2}, "War, war.", "War."),
    ("keywords:frequency", {"keyword": "war", "relation": LESS, "frequency": 2}, "War.", "War, war."),
    ("keywords:forbidden_words", {"forbidden_words": ["rock", "field"]}, "A rocket.", "The Rock!"),
    ("keywords:letter_frequency", {"letter": "O", "let_relation": LEAST, "let_frequency": 3}, "Oo! o", "Oo!"),
    ("keywords:letter_frequency", {"letter": "#", "let_relation": LESS, "let_frequency": 1}, "none", "#one"),
    ("language:response_language", {"language": "de"}, "Das ist nicht der Weg.", "That is not the way."),
    ("length_constraints:number_words", {"relation": LEAST, "num_words": 3}, "one two three", "one two"),
    ("length_constraints:number_words", {"relation": LESS, "num_words": 3}, "one two", "one two three"),
    ("length_constraints:number_sentences", {"relation": LEAST, "num_sentences": 2}, "One. Two!", "Dr. O 2.5 e.g. x."),
    ("length_constraints:number_sentences", {"relation": LESS, "num_sentences": 2}, "One... and more.", "One? Two."),
    ("length_constraints:number_paragraphs", {"num_paragraphs": 2}, "a\n\n***\n\nb", "a\n\nb"),
    ("length_constraints:number_paragraphs", {"num_paragraphs": 2}, "***\na\n***\nb\n***", "a\n***\n***\nb"),
    ("length_constraints:number_paragraphs", {"num_paragraphs": 1}, "a", "a\n***\nb"),
    ("length_constraints:nth_paragraph_first_word",
     {"num_paragraphs": 2, "nth_paragraph": 2, "first_word": "president"}, "a\n\n\"President, b", "president\n\na"),
    ("length_constraints:nth_paragraph_first_word",
     {"num_paragraphs": 2, "nth_paragraph": 1, "first_word": "it"}, "It is\n\n\n\nso", "It is\n\nso\n\nnow"),
    ("detectable_content:number_placeholders", {"num_placeholders": 2}, "[a] and [b]", "[a and\nb] [c]"),
    ("detectable_content:postscript", {"postscript_marker": "P.S."}, "End.\np.s. more", "End. more tips. So on."),
    ("detectable_content:postscript", {"postscript_marker": "P.P.S"}, "End. P. P. S. more", "End.\nP.S. more"),
    ("detectable_format:number_bullet_lists", {"num_bullets": 2}, "Two:\n* a\n- b", "* a\n* b\n* c"),
    ("detectable_format:number_bullet_lists", {"num_bullets": 1}, "**bold**\n  * a\n---", "**bold**\n*\n***"),
    ("detectable_format:number_highlighted_sections", {"num_highlights": 2}, "*a b* **c**", "*a b* ** **"),
    ("detectable_format:number_highlighted_sections", {"num_highlights": 1}, "so *it*", "so *it\nis* no"),
    ("detectable_format:multiple_sections", {"section_spliter": "SECTION", "num_sections": 2},
     "SECTION 1\na\nSECTION 2\nb", "SECTION 1\na\nSection 2\nb"),
    ("detectable_format:title", {}, "<<joy>>\nIt is.", "<<>> << >> <joy>"),
    ("detectable_format:json_format", {}, '```json\n{"a": [1, 2]}\n```', 'Here: {"a": 1}'),
    ("detectable_format:json_format", {}, "[]", "42"),
    ("detectable_format:constrained_response", {}, "I think: My answer is no.", "No."),
    ("combination:repeat_prompt", {"prompt_to_repeat": "Write a poem."}, "WRITE A POEM. Roses.", "A poem. Roses."),
    ("combination:two_responses", {}, "one\n******\ntwo", "one\n******\none"),
    ("combination:two_responses", {}, "******\none\n******\ntwo", "one\n******\ntwo\n******\nthree"),
    ("change_case:english_capital", {}, "THIS IS LOUD!", "THIS IS Not LOUD!"),
    ("change_case:english_capital", {}, "IT IS 5 PM.", "ЭТО НЕ ТО."),
    ("change_case:english_lowercase", {}, "this is not loud.", "this is not Loud."),
    ("change_case:capital_word_frequency", {"capital_relation": LEAST, "capital_frequency": 2}, "I am BIG", "I am big"),
    ("change_case:capital_word_frequency", {"capital_relation": LESS, "capital_frequency": 2}, "DON'T go", "A BIG fox"),
    ("startend:end_checker", {"end_phrase": "Is that all?"}, '"So. is that ALL?"', "Is that all? Yes."),
    ("startend:quotation", {}, ' "all of it" ', '"all" of it'),
    ("startend:quotation", {}, '""', '"'),
    ("punctuation:no_comma", {}, "one; two", "one, two"),
]  # fmt: skip
BROKEN = [
    ({"id": "keywords:rhyme", "kwargs": {}}, "unknown constraint 'keywords:rhyme'"),
    ({"id": "startend:quotation", "kwargs": {"n": 1}}, "parameters n; wanted are none"),
    ({"id": "keywords:existence", "kwargs": {}}, "parameters none; wanted are keywords"),
    ({"id": "keywords:existence", "kwargs": {"keywords": "mom"}}, "must be a list of texts"),
    ({"id": "keywords:existence", "kwargs": {"keywords": []}}, "must be a list of texts"),
    ({"id": "length_constraints:number_words", "kwargs": {"relation": "about", "num_words": 3}}, '"at least" or'),
    ({"id": "length_constraints:number_words", "kwargs": {"relation": LESS, "num_words": -3}}, "a whole number"),
    ({"id": "language:response_language", "kwargs": {"language": "tlh"}}, "language is 'tlh'; it must be one of"),
    ({"id": "keywords:letter_frequency", "kwargs": {"letter": "ab", "let_relation": LESS, "let_frequency": 1}},
     "one character"),
    ({"id": "startend:quotation", "kwargs": []}, ""), ("startend:quotation", "is not"), (None, "is not"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "kwargs", "follows", "breaks"), CASES)
def test_a_kind_tells_a_response_that_follows_it_from_one_that_does_not(name, kwargs, follows, breaks):
    constraints = [{"id": name, "kwargs": kwargs}]
    assert check(constraints, follows)[0].strict
    assert not check(constraints, breaks)[0].strict


def test_there_are_25_kinds_and_each_has_a_case():
    assert len(KINDS) == 25
    assert {name for name, *_ in CASES} == set(KINDS)


@pytest.mark.parametrize(("constraint", "says"), [case for case in BROKEN if case[1]])
def test_a_constraint_that_cannot_be_checked_is_named(constraint, says):
    with pytest.raises(ConstraintError, match=says):
        checked(constraint)


def test_parameters_of_null_are_left_out():
    name, _, parameters = checked({"id": "startend:quotation", "kwargs": {"num_words": None}})
    assert (name, parameters) == ("startend:quotation", {})


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0), ("...", 0), ("One", 1), ("One. two. three.", 3), ("Mr. A. Smith came at 5 p.m. today.", 1),
        ("He said \"Stop!\" Then he left.", 2), ("It costs 3.50. See example.com for more.", 2), ("Really?! Yes.", 2),
        ("1. Stir.\n2. Bake.", 2), ("A title\n\nA text.", 1), ("这是。那是。", 2), ("यह है। वह है।", 2),
        ("I came. I saw.", 2), ("So it was I. You?", 2), ("Wait… what? No… Yes.", 3), ("It is *bold.* And more.", 2),
    ],
)  # fmt: skip
def test_sentences_are_counted_as_people_count_them(text, count):
    assert sentences(text) == count


@settings(max_examples=25, deadline=None)
@given(st.text(max_size=80))
def test_no_text_breaks_any_kind(text):
    for name, kwargs, *_ in CASES:
        check([{"id": name, "kwargs": kwargs}], text)


@pytest.mark.parametrize("piece", ["*", "[", "<<", "\n", "- ", "P. ", "{", "a.", '"', "SECTION ", "***", " \n", "9"])
def test_long_monotonous_texts_take_no_longer_than_their_length_says(piece):
    text = piece * (100_000 // len(piece))
    for name, kwargs, *_ in CASES:
        check([{"id": name, "kwargs": kwargs}], text)
