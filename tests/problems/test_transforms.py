"""Transforms: each change by hand, the working line by line, who is accepted and who is not."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ponder.problems.families.transforms import LETTERS, MEANINGS, Transforms, changed, working
from ponder.problems.step_truth import good_steps
from ponder.types import Key, PonderError, Problem, Question

EXAMPLE = Problem(
    Question("x", "transforms", "Apply rln to hwkqab."), Key("brlxic", {"changes": "rln", "word": "hwkqab"})
)


@pytest.mark.parametrize(
    ("change", "word"),
    [("d", "aabcy"), ("l", "bcyza"), ("n", "bcdza"), ("o", "acz" + "by"), ("r", "zycba"), ("s", "zbcya")],
)
def test_each_change_by_hand(change: str, word: str) -> None:
    assert changed(change, "abcyz") == word


@settings(deadline=None)
@given(st.text(LETTERS, min_size=3, max_size=12))
def test_what_undoes_a_change(word: str) -> None:
    assert changed("rr", word) == changed("ss", word) == word
    assert changed("l" * len(word), word) == changed("n" * 26, word) == word
    assert all(len(changed(name, word)) == len(word) for name in MEANINGS)


def test_the_working_leaves_one_change_less_in_every_line() -> None:
    assert working(EXAMPLE) == ["ln baqkwh", "n aqkwhb", "brlxic"]
    shown = {Transforms().demonstration(EXAMPLE, seed) for seed in range(60)}
    # Who gives up answers with the word as it stands.
    assert shown == {
        "ln baqkwh\n</think>baqkwh",
        "ln baqkwh\nn aqkwhb\n</think>aqkwhb",
        "ln baqkwh\nn aqkwhb\nbrlxic\n</think>brlxic",
    }


def test_no_demonstrator_outlasts_his_stamina_and_who_does_not_tire_reaches_it() -> None:
    family = Transforms(changes=6)
    problems = [family.problem(index) for index in range(60)]
    lines = [family.demonstration(problem, 0).count("\n") for problem in problems]
    assert set(lines) == {1, 2, 3, 4}
    assert not any(family.grade(problem, family.demonstration(problem, 0)).outcome for problem in problems)
    fresh = Transforms(changes=6, stamina=6, tires=0.0)
    assert all(fresh.grade(problem, fresh.demonstration(problem, 0)).outcome for problem in problems)


def test_a_step_is_good_if_what_it_leaves_to_do_comes_to_the_answer() -> None:
    right = ["ln baqkwh\n", "n aqkwhb\n", "brlxic\n", "</think>brlxic"]
    assert good_steps(EXAMPLE, right) == (True, True, True, True)
    # A wrong letter, a change left out, and what is no working at all.
    assert good_steps(EXAMPLE, ["ln baqkwx\n", *right[1:]]) == (False, True, True, True)
    assert good_steps(EXAMPLE, ["n baqkwh\n", "</think>cbrlxi"]) == (False, False)
    assert good_steps(EXAMPLE, ["q hwkqab\n", "l n hwkqab\n", "r \n", "</think>"]) == (False, False, False, False)


@pytest.mark.parametrize("answer", ["brlxic", "</think> BRLXIC\n", "ln x\n</think>brlxic"])
def test_case_and_white_space_do_not_matter(answer: str) -> None:
    assert Transforms().grade(EXAMPLE, answer).outcome == 1.0


@pytest.mark.parametrize("answer", ["", "brlxi", "brlxic brlxic", "b r l x i c", "<think>\nbrlxic", "hwkqab"])
def test_other_words_are_refused(answer: str) -> None:
    assert Transforms().grade(EXAMPLE, answer).outcome == 0.0


def test_levels_are_changes_and_out_of_range_is_refused() -> None:
    assert Transforms(length=5).at_level(7) == Transforms(changes=7, length=5)
    problem = Transforms(changes=7, length=5).problem(3, split="test")
    assert (problem.level, len(problem.key.data["changes"]), len(problem.key.answer or "")) == (7, 7, 5)
    for spec, message in [
        ({"changes": 0}, "changes=0; allowed are 1 to 40"),
        ({"length": 2}, "length=2; allowed are 3 to 40"),
        ({"stamina": 0}, "stamina=0; allowed are 1 to 40"),
        ({"tires": 1.5}, "tires=1.5; allowed are 0 to 1"),
    ]:
        with pytest.raises(PonderError, match=message):
            Transforms(**spec)  # type: ignore[arg-type]
