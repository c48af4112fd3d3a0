"""Cipher: the known example, every pair decodable in one way only, who is accepted and who is not."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ponder.problems.families.cipher import Cipher, decode, encode
from ponder.problems.families.words import WORDS
from ponder.types import Key, PonderError, Problem, Question

# Demonstrators guess among the words that the family knows; "by" is none of them.
KNOWN = Problem(
    Question("x", "cipher", "Decode oyfjdnisdr rtqwainr."), Key("think step", {"coded": "oyfjdnisdr rtqwainr"})
)
LETTERS = "abcdefghijklmnopqrstuvwxyz"
EXAMPLE = Problem(
    Question("x", "cipher", "Decode oyfjdnisdr rtqwainr acxz mynzbhhx."),
    Key("think step by step", {"coded": "oyfjdnisdr rtqwainr acxz mynzbhhx"}),
)


def test_the_example_decodes_to_think_step_by_step() -> None:
    coded = EXAMPLE.key.data["coded"].split()
    assert " ".join(map(decode, coded)) == "think step by step"


@settings(deadline=None)
@given(plain=st.text(LETTERS, min_size=1, max_size=30), seed=st.integers(0, 10**6))
def test_decoding_undoes_encoding_and_pairs_stay_inside_the_alphabet(plain: str, seed: int) -> None:
    coded = encode(plain, random.Random(seed))
    assert set(coded) <= set(LETTERS)
    assert len(coded) == 2 * len(plain)
    assert decode(coded) == plain
    # The average is whole, so rounding can never be in doubt.
    assert all((ord(a) + ord(b)) % 2 == 0 for a, b in zip(coded[::2], coded[1::2], strict=True))


def test_questions_hide_known_words() -> None:
    for index in range(30):
        problem = Cipher(words=4).problem(index)
        words = (problem.key.answer or "").split()
        assert len(words) == 4
        assert set(words) <= set(WORDS)
        coded = problem.question.text.removeprefix("Decode ").removesuffix(".")
        assert " ".join(map(decode, coded.split())) == problem.key.answer


@pytest.mark.parametrize(
    "answer", ["think step by step", "</think>Think  STEP\nby step ", "x\n</think>think step by step"]
)
def test_case_and_white_space_do_not_matter(answer: str) -> None:
    assert Cipher().grade(EXAMPLE, answer).outcome == 1.0


@pytest.mark.parametrize(
    "answer",
    ["", "think step by stop", "think step by", "thinkstepbystep", "think step by step.", "step by step think",
     "<think>\nthink step by step", "think step by step or not", EXAMPLE.key.data["coded"]],
)  # fmt: skip
def test_other_words_are_refused(answer: str) -> None:
    verdict = Cipher().grade(EXAMPLE, answer)
    assert (verdict.outcome, verdict.failure) == (0.0, None)


def test_a_careful_demonstration_decodes_pair_by_pair() -> None:
    shown = {Cipher().demonstration(KNOWN, seed) for seed in range(60)}
    careful = [text for text in shown if text.startswith("oy=t fj=h dn=i is=n dr=k\nrt=s qw=t ai=e nr=p\n</think>")]
    assert careful
    assert all(text.endswith("</think>think step") for text in careful)


def test_a_demonstrator_only_guesses_words_that_fit_what_was_looked_at() -> None:
    for seed in range(60):
        words = Cipher().demonstration(KNOWN, seed).split("</think>")[1].split()
        assert [word[:2] for word in words] == ["th", "st"]
        assert set(words) <= set(WORDS)


def test_levels_are_words_and_out_of_range_is_refused() -> None:
    assert Cipher().at_level(5) == Cipher(words=5)
    with pytest.raises(PonderError, match="words=0; allowed are 1 to 20"):
        Cipher(words=0)


def test_known_words_differ() -> None:
    assert len(set(WORDS)) == len(WORDS)
