"""A decline over several rounds, on scripted curves: found where there is one, seldom where there is none."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable

import pytest

from ponder.selfplay.monitors.course import Course, Decline

PROBLEMS = 32


def ladder(rng: random.Random, accuracies: tuple[float, ...], problems: int = PROBLEMS) -> dict[str, list[float]]:
    """Two answers to each problem of each family; problems differ in how hard they are."""
    found = {}
    for family, mean in enumerate(accuracies):
        rates = []
        for place in range(problems):
            ease = (place + 0.5) / problems
            p = 1 / (1 + math.exp(-(math.log(ease / (1 - ease)) + 1.3 * math.log(mean / (1 - mean)))))
            rates.append(((rng.random() < p) + (rng.random() < p)) / 2)
        found[str(family)] = rates
    return found


def ends_in(course: Course) -> Decline | None:
    return course.declined


def first_decline(curve: Callable[[int], tuple[float, ...]], seed: int, rounds: int = 60) -> int | None:
    course, rng = Course(5, 0.05), random.Random(seed)
    for number in range(rounds):
        row = ladder(rng, curve(number))
        decline = course.look(row)
        if decline is not None and decline.is_real:
            return number
        course.keep(number, row)
    return None


def sagging(number: int) -> tuple[float, ...]:
    """The run of 240 updates in docs/learning.md: up to round 23, then one family loses a third in 27 rounds."""
    third = 0.35 + 0.4 * number / 23 if number < 23 else 0.75 - 0.33 * (number - 23) / 27
    return (0.4 + 0.55 * min(1.0, number / 20), 0.45 + 0.45 * min(1.0, number / 20), max(third, 0.4))


def test_a_slow_sag_is_found_before_it_is_over() -> None:
    found = [first_decline(sagging, seed) for seed in range(12)]
    assert all(number is not None and 25 < number < 55 for number in found)


def test_runs_that_stand_still_or_rise_are_left_alone() -> None:
    still = [first_decline(lambda _: (0.85, 0.85, 0.7), seed) for seed in range(25)]
    assert sum(number is not None for number in still) <= 3  # one in twenty is expected
    assert first_decline(lambda number: (0.4 + 0.01 * number,) * 3, 0, rounds=50) is None


def test_the_numbers_by_hand() -> None:
    course = Course(2, 0.05)
    high, low = {"sums": [1.0, 1.0, 1.0, 0.5]}, {"sums": [0.5, 0.5, 0.5, 0.0]}
    assert [course.keep(n, high) for n in range(2)] == [True, True]
    assert course.best is not None and course.best.accuracy == 0.875 and course.best.round == 1
    assert course.look(low) is None  # three rounds are not twice two
    assert not course.keep(2, low)
    decline = course.look(low)
    # All problems fall by the same half: there is no noise in that, so the setting is what is allowed.
    assert decline is not None and decline.is_real
    assert (decline.recent, decline.best, decline.allowed, decline.round) == (0.375, 0.875, 0.05, 1)
    assert ends_in(course) is None
    course.keep(3, low)
    assert ends_in(course) == decline
    # One problem of four that falls by 1 is a mean of 0.25 with a standard error of 0.25.
    noisy = Course(1, 0.05)
    noisy.keep(0, {"sums": [1.0] * 4})
    found = noisy.look({"sums": [1.0, 1.0, 1.0, 0.0]})
    assert found is not None and found.allowed == pytest.approx(1.0) and not found.is_real


def test_the_first_whole_mean_takes_the_place_of_those_of_fewer_rounds() -> None:
    course = Course(3, 0.05)
    lucky, plain = {"sums": [1.0, 1.0]}, {"sums": [0.5, 0.5]}
    assert course.keep(0, lucky)
    assert not course.keep(1, plain)
    assert course.keep(2, plain) and course.best is not None and course.best.round == 2


def test_a_stage_and_other_problems_begin_anew_and_the_state_comes_back() -> None:
    course = Course(1, 0.0)
    course.keep(0, {"sums": [1.0, 1.0]})
    assert course.look({"sums": [0.0, 0.0]}, stage=1) is None
    assert course.look({"sums": [0.0, 0.0, 0.0]}) is None
    again = Course(1, 0.0)
    again.load_state(json.loads(json.dumps(course.state())))
    assert again == course
    assert course.keep(1, {"sums": [0.0, 0.0]}, stage=1)
    assert course.best is not None and course.best.accuracy == 0.0
    assert not course.keep(2, {})


def test_after_going_back_the_rounds_before_do_not_count() -> None:
    course = Course(2, 0.05)
    for number, rate in enumerate((1.0, 1.0, 0.0, 0.0)):
        course.keep(number, {"sums": [rate] * 4})
    assert ends_in(course) is not None
    course.begin_again()
    assert ends_in(course) is None and course.look({"sums": [0.0] * 4}) is None
    course.keep(4, {"sums": [0.0] * 4})
    assert course.look({"sums": [0.0] * 4}) is not None


def test_no_rounds_looks_for_no_decline_and_still_knows_the_best() -> None:
    course = Course(0, 0.05)
    assert course.keep(0, {"sums": [1.0] * 4})
    assert not course.keep(1, {"sums": [0.0] * 4})
    assert course.look({"sums": [0.0] * 4}) is None and course.declined is None
