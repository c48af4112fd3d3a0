"""Rows of a file: those answered both ways come back, the others pause, bands are drawn by what they teach."""

from __future__ import annotations

import random
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from ponder.rollout.rows import Rows
from ponder.types import Group, Key, Problem, Question, Step, StopReason, Trajectory, Verdict


def problem(name: str, level: int = 0, text: str = "?") -> Problem:
    return Problem(Question(name, "file", text, level=level), Key("1"))


def group(of: Problem, *outcomes: float) -> Group:
    leaf = Step((1,), (0.0,), "x", 0, StopReason.END)
    trajectories = tuple(Trajectory(of.question, leaf) for _ in outcomes)
    return Group(of, trajectories, tuple(Verdict(outcome=o) for o in outcomes))


def rows(problems: list[Problem]) -> Rows:
    return Rows(problems, seed=0, memory=0.5, floor=0.02)


def epoch_of(some: Rows, count: int) -> list[str]:
    return [some.next(random.Random(0)).id for _ in range(count)]


def test_a_row_without_a_gradient_sits_out_one_epoch_then_three_and_a_mixed_one_comes_back() -> None:
    some = rows([problem("solved"), problem("hopeless"), problem("mixed")])
    outcomes = {"solved": (1.0, 1.0), "hopeless": (0.0, 0.0), "mixed": (1.0, 0.0)}
    seen: list[tuple[int, str]] = []
    for _ in range(30):
        drawn = some.next(random.Random(0))
        seen.append(((some.taken["all"] - 1) // 3, drawn.id))
        some.observe([group(drawn, *outcomes[drawn.id])])
    epochs = {name: [epoch for epoch, one in seen if one == name] for name in outcomes}
    assert epochs["mixed"] == list(range(len(epochs["mixed"])))
    for name in ("solved", "hopeless"):  # epoch 0, pause 1, epoch 2, pause 3 to 5, epoch 6, pause 7 to 13, epoch 14
        assert epochs[name][:4] == [0, 2, 6, 14]


def test_rows_that_all_pause_are_still_drawn() -> None:
    some = rows([problem("a"), problem("b")])
    for _ in range(20):
        drawn = some.next(random.Random(0))
        some.observe([group(drawn, 1.0, 1.0)])
    assert sum(some.streaks.values()) == 6


def test_bands_are_levels_or_thirds_by_length_and_the_one_that_teaches_is_drawn_most() -> None:
    some = rows([problem(f"{level}-{i}", level) for level in (1, 2, 3) for i in range(50)])
    assert list(some.bands) == ["level 1", "level 2", "level 3"]
    some.observe([group(some.bands["level 1"][0], 1.0, 1.0), group(some.bands["level 2"][0], 1.0, 0.0)])
    some.observe([group(some.bands["level 3"][0], 0.0, 0.0)])
    assert some.signals == {"level 1": 0.0, "level 2": 0.25, "level 3": 0.0}
    rng = random.Random(1)
    drawn = Counter(some.next(rng).level for _ in range(400))
    # Weights 0.02, 0.25, 0.02: 345 of 400 at level 2; four standard deviations are 28.
    assert abs(drawn[2] - 345) < 28 and drawn[1] > 0 and drawn[3] > 0
    lengths = rows([problem(f"r{i}", 0, "x" * (i + 1)) for i in range(30)])
    assert {name: len(band) for name, band in lengths.bands.items()} == {"short": 10, "middle": 10, "long": 10}
    assert lengths.bands["short"][0].question.text == "x"
    assert list(rows([problem(f"r{i}") for i in range(29)]).bands) == ["all"]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from([(0.0, 0.0), (1.0, 0.0), (1.0, 1.0)]), min_size=1, max_size=40), st.integers(1, 9))
def test_saved_and_restored_it_goes_on_the_same(outcomes: list[tuple[float, float]], count: int) -> None:
    problems = [problem(f"r{i}", i % 2) for i in range(count)]
    some, other = rows(problems), rows(problems)
    for outcome in outcomes:
        some.observe([group(some.next(random.Random(3)), *outcome)])
    other.load_state(some.state())
    rng, same = random.Random(4), random.Random(4)
    assert [some.next(rng).id for _ in range(20)] == [other.next(same).id for _ in range(20)]


def test_rows_of_other_families_change_nothing() -> None:
    some = rows([problem("a")])
    before = some.state()
    some.observe([group(Problem(Question("z", "other", "?"), Key("1")), 0.0, 0.0)])
    assert some.state() == before
