"""Which steps go back, and whether it helped: chains written by hand."""

from __future__ import annotations

from typing import Any

from ponder.evaluation.reflection.reflection import (
    Reflections,
    countdown_right,
    graded_right,
    of_rows,
    reflect,
    stated,
    within,
)

QUESTION = "Make 18 from 3, 6, 1."
TRIES = ["6-1=5,5*3=15|18\n", "3+1=4,4+6=10|18\n", "6*3=18,18*1=18|18!\n", "</think>(6*3)*1"]


def test_every_try_after_the_first_goes_back_and_the_one_that_hits_is_useful() -> None:
    found = reflect(TRIES, countdown_right(QUESTION))
    assert found == Reflections(responses=1, steps=3, reflecting=2, useful=1, idle=1)
    assert (found.share, found.useful_share) == (2 / 3, 0.5)


def test_a_try_must_be_true_and_use_the_numbers_whatever_it_claims() -> None:
    right = countdown_right(QUESTION)
    assert right("6*3=18,18*1=18|18!")
    assert right("6/1=6,6*3=18|18")
    assert not right("6*3=18|18!")  # the 1 is left
    assert not right("6*3=17,17+1=18|18!")  # 6 * 3 is not 17
    assert not right("9*2=18,18*1=18|18!")  # other numbers
    assert not right("nothing|18!")


def test_words_of_doubt_count_in_general_text_as_whole_words_only() -> None:
    steps = ["So 12 it is.\n", "Wait, let me check: 13.\n", "We await the terror of errors.\n", "</think>13"]
    found = reflect(steps, graded_right(1.0, "13"))
    assert found == Reflections(responses=1, steps=3, reflecting=1, useful=1)


def test_a_right_answer_thrown_away_is_harmful_and_one_that_stays_is_idle() -> None:
    right = {"12": True, "13": False}.get
    assert reflect(["It is 12.\n", "However, no: 13.\n", "</think>13"], right).harmful == 1
    assert reflect(["It is 12.\n", "Let me check.\n", "</think>12"], right).idle == 1


def test_where_no_answer_stood_before_the_effect_is_unknown_and_not_idle() -> None:
    found = reflect(["Hmm.\n", "Wait.\n", "</think>12"], {"12": True}.get)
    assert (found.reflecting, found.unknown, found.idle, found.useful_share) == (1, 1, 0, None)


def test_what_differs_from_a_wrong_final_answer_cannot_be_told() -> None:
    right = graded_right(0.0, "13")
    assert (right("13"), right("12")) == (False, None)
    assert graded_right(None, "13")("13") is None
    assert (graded_right(1.0, "13")("1 3"), graded_right(1.0, "13")("12")) == (True, False)


def test_nothing_has_no_share() -> None:
    assert reflect([], countdown_right(QUESTION)) == Reflections(responses=1)
    assert Reflections().share is None


def test_the_boxed_answer_stands_before_any_number() -> None:
    assert stated(r"so \boxed{7} after 12 steps") == "7"
    assert stated("3 and then -4.5") == "-4.5"
    assert stated("none") is None


def test_a_limit_on_tokens_leaves_out_the_step_that_it_cuts() -> None:
    row: dict[str, Any] = {"family": "countdown", "question": QUESTION, "steps": TRIES, "step_lengths": [10, 10, 10, 5]}
    row["outcome"], row["extracted"] = 1.0, "(6*3)*1"
    assert within([row], 29)["countdown"] == Reflections(responses=1, steps=2, reflecting=1, idle=1)
    assert of_rows([row, row])["countdown"].reflecting == 4
