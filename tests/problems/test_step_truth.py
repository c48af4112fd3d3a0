"""The computed truth of steps: demonstrations that are right are good throughout, and each slip is found."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ponder.problems.families.arithmetic import Arithmetic
from ponder.problems.families.cipher import Cipher
from ponder.problems.families.countdown import Countdown
from ponder.problems.families.countdown_truth import combined, reachable
from ponder.problems.step_truth import first_error, good_steps
from ponder.types import Key, Problem, Question


def problem(family: str, answer: str, **data: object) -> Problem:
    return Problem(Question("q", family, "?"), Key(answer, data))


def lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


SUM = problem("arithmetic", "-9", expression="3*9+7-6*8+5")
WORDS = problem("cipher", "think step", coded="oyfjdnisdr rtqwainr")
MAKE = problem("countdown", "(6*3)*1", numbers=[3, 6, 1], target=18)


@pytest.mark.parametrize(
    ("case", "text", "good"),
    [
        (SUM, "27+7-6*8+5\n27+7-48+5\n34-48+5\n-14+5\n-9\n</think>-9", (1, 1, 1, 1, 1, 1)),
        (SUM, "27+7-6*8+5\n27+7-46+5\n34-46+5\n-7\n</think>-7", (1, 0, 0, 0, 0)),
        (SUM, "34-46+5\n-9\n</think>-9", (0, 1, 1)),
        (SUM, "27+7-48+\n</think>-9", (0, 1)),
        (SUM, "</think>8", (0,)),
        (SUM, "27+7-6*8+5\n-9\n", (1, 0)),
        (WORDS, "oy=t fj=h dn=i is=n dr=k\nrt=s qw=t ai=e nr=p\n</think>think step", (1, 1, 1)),
        (WORDS, "oyfjdnisdr=think\nrtqwainr=stop\n</think>think stop", (1, 0, 0)),
        (WORDS, "oyfjdnisdr=thing\nrtqwainr=step\n</think>thing step", (0, 0, 0)),
        (WORDS, "oyfjdnisdr=think\nrtqwainr=step\nrtqwainr=step\n</think>think step", (1, 1, 0, 1)),
        (MAKE, "6-1=5,5*3=15|18\n3+1=4,4+6=10|18\n6*3=18,18*1=18|18!\n</think>(6*3)*1", (1, 1, 1, 1)),
        (MAKE, "6-1=5,5*3=15|18\n</think>(6-1)*3", (1, 0)),
        (MAKE, "6-1=5,5*3=18|18!\n</think>(6-1)*3", (0, 0)),
        (MAKE, "6*3=18|18!\n6-1=5,5*3=15|18\n</think>6*3", (0, 0, 0)),
        (MAKE, "6-1=4,4*3=12|18\n6*3=18,18*1=18|18!\n</think>6*3*1", (1, 1, 1)),
    ],
)
def test_each_step_is_good_while_right_work_can_still_follow(case: Problem, text: str, good: tuple[int, ...]) -> None:
    assert good_steps(case, lines(text)) == tuple(map(bool, good))
    assert first_error(case, lines(text)) == (good.index(0) if 0 in good else -1)


def test_steps_may_end_inside_a_line() -> None:
    letters = ["oy=t ", "fj=h ", "dn=i is=n dr=k\nrt=s ", "qw=e ", "ai=e nr=p\n", "</think>think step"]
    assert good_steps(WORDS, letters) == (True, True, True, False, False, True)
    # After 6+1=7 only 7 and 3 are left, from which 18 is out of reach; a new line begins with all numbers again.
    tries = ["6+1=7,", "7*3=21|18\n6*3=18,", "18*1=18|18!\n", "</think>6*3*1"]
    assert good_steps(MAKE, tries) == (False, True, True, True)
    assert good_steps(MAKE, ["6*3=19,", "</think>6*3*1"]) == (False, True)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.sampled_from([Arithmetic(), Arithmetic(terms=10), Countdown()]))
def test_demonstrations_of_honest_families_hold_no_error_but_a_wrong_answer(
    seed: int, family: Arithmetic | Countdown
) -> None:
    item = family.problem(seed)
    text = family.demonstration(item, seed)
    good = good_steps(item, lines(text))
    assert good is not None and all(good[:-1]) and good[-1] == (family.grade(item, text).outcome == 1.0)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000))
def test_a_cipher_demonstration_with_a_right_answer_is_good_throughout(seed: int) -> None:
    item = Cipher().problem(seed)
    text = Cipher().demonstration(item, seed)
    error = first_error(item, lines(text))
    assert error is not None and (error == -1) == (Cipher().grade(item, text).outcome == 1.0)


@settings(deadline=None)
@given(st.text(alphabet="0123456789+-*/=,|!\n <>abc", max_size=60), st.sampled_from([SUM, WORDS, MAKE]))
def test_any_text_has_a_truth(text: str, case: Problem) -> None:
    cut = [text[i : i + 7] for i in range(0, len(text), 7)]
    good = good_steps(case, cut)
    assert good is not None and len(good) == len(cut)


def test_a_family_without_a_computable_truth_has_none() -> None:
    assert good_steps(problem("maths", "1"), ["1"]) is None and first_error(problem("maths", "1"), ["1"]) is None
    assert good_steps(SUM, []) == ()


def test_reach_is_found_by_every_operation_and_agrees_with_the_families_own_targets() -> None:
    assert reachable([8, 3, 3, 8], 24) and not reachable([1, 1, 1, 1], 24)
    assert reachable([3], 3) and not reachable([3], 4) and reachable([1, 2], -1)
    assert reachable([2, 4], 0) is False and reachable([0, 5], 0)
    rng = random.Random(0)
    for index in rng.sample(range(1000), 20):
        data = Countdown(numbers=4).problem(index).key.data
        assert reachable(data["numbers"], data["target"])
    assert list(combined(["6-1=5"], [3, 6, 1]) or ()) == [3, 5]
    assert combined(["6-1=5", "5/0=1"], [0, 6, 1]) is None and combined(["6-2=4"], [3, 6, 1]) is None
