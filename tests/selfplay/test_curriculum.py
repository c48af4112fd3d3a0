"""The curriculum: harder when solved, and drawn where verdicts vary."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from ponder.problems.families.arithmetic import Arithmetic
from ponder.problems.families.countdown import Countdown
from ponder.selfplay.curriculum import Curriculum
from ponder.types import Group, Key, PonderError, Problem, Question, Step, StopReason, Trajectory, Verdict


def group(problem: Problem, outcomes: list[float | None]) -> Group:
    leaf = Step((1,), (0.0,), "x", 0, StopReason.END)
    verdicts = tuple(Verdict(outcome=o) if o is not None else Verdict(failure="timeout") for o in outcomes)
    return Group(problem, tuple(Trajectory(problem.question, leaf) for _ in outcomes), verdicts)


def curriculum(**options: float) -> Curriculum:
    return Curriculum([Arithmetic(), Countdown()], seed=0, unlock=0.8, memory=0.5, **options)  # type: ignore[arg-type]


def test_families_take_turns_and_no_problem_comes_twice() -> None:
    some = curriculum()
    problems = some.next(6) + some.next(6)
    assert Counter(p.family for p in problems) == {"arithmetic": 6, "countdown": 6}
    assert len({p.id for p in problems}) == 12
    assert all("train" in p.id for p in problems)


def test_the_next_level_opens_when_the_hardest_open_one_is_solved() -> None:
    some = curriculum()
    problems = [p for p in some.next(4) if p.family == "arithmetic"]
    some.observe([group(p, [1.0, 1.0, 1.0, 0.0]) for p in problems])
    assert some.levels == {"arithmetic": 6, "countdown": 3}
    for _ in range(4):
        some.observe([group(p, [1.0] * 4) for p in problems])
    assert some.levels == {"arithmetic": 7, "countdown": 3}


def test_no_more_levels_open_than_allowed() -> None:
    some = curriculum(most_levels=1)
    some.observe([group(p, [1.0] * 4) for p in some.next(4)])
    assert some.levels == {"arithmetic": 6, "countdown": 3}


def test_the_level_whose_verdicts_vary_most_is_drawn_most() -> None:
    some = curriculum()
    some.rates["arithmetic"], some.signals["arithmetic"] = {6: 0.99, 7: 0.5}, {6: 0.0099, 7: 0.25}
    drawn = Counter(p.level for p in some.next(400) if p.family == "arithmetic")
    # Weights are max(0.05, 0.0099) and 0.25: one in six. 200 draws stay within 4 standard deviations (21).
    assert abs(drawn[6] - 200 / 6) < 21
    assert drawn[6] + drawn[7] == 200


def test_a_level_of_which_half_is_always_solved_and_half_never_teaches_nothing() -> None:
    """Both levels are solved in half of all tries; only at level 7 do answers to one problem differ."""
    some = curriculum(most_levels=2)
    some.rates["arithmetic"][7] = None
    at = {level: Arithmetic().at_level(level).problem(0, split="train", seed=0) for level in (6, 7)}
    alike: tuple[list[float | None], ...] = ([1.0, 1.0], [0.0, 0.0])
    for outcomes in alike:
        some.observe([group(at[6], outcomes), group(at[7], [1.0, 0.0])])
    assert some.rates["arithmetic"] == {6: 0.5, 7: 0.5}
    assert some.signals["arithmetic"] == {6: 0.0, 7: 0.25}
    drawn = Counter(p.level for p in some.next(400) if p.family == "arithmetic")
    assert abs(drawn[6] - 200 / 6) < 21  # weights 0.05 (the floor) and 0.25, as above


def test_a_running_rate_forgets_by_its_memory() -> None:
    some = curriculum()
    [problem] = [p for p in some.next(2) if p.family == "arithmetic"]
    some.observe([group(problem, [1.0, 0.0])])
    some.observe([group(problem, [0.0, 0.0])])
    assert some.rates["arithmetic"][6] == 0.25
    assert some.signals["arithmetic"][6] == 0.125


def test_groups_that_could_not_be_graded_change_nothing() -> None:
    some = curriculum()
    some.observe([group(some.next(1)[0], [None, None])])
    assert some.rates["arithmetic"] == {6: None}


def test_saved_and_restored_it_draws_the_same_problems() -> None:
    some = curriculum()
    some.observe([group(p, [1.0, 0.0, 1.0, 1.0]) for p in some.next(10)])
    other = curriculum()
    other.load_state(some.state())
    assert [p.id for p in other.next(30)] == [p.id for p in some.next(30)]


class Rows:
    """A family of `count` rows in an order that the seed shuffles, as a file is."""

    level = 0

    def __init__(self, name: str, count: int) -> None:
        self.name, self.count = name, count

    def size(self, split: str) -> int:
        return self.count

    def problem(self, index: int, *, split: str = "train", seed: int = 0) -> Problem:
        rows = list(range(self.count))
        random.Random(f"{seed}").shuffle(rows)
        number = rows[index % self.count]
        return Problem(Question(f"{self.name}-{number}", self.name, f"row {number}"), Key("1"))


def test_every_problem_of_every_family_is_drawn_and_a_file_comes_in_a_new_order_each_epoch() -> None:
    """With one counter for all three families each would see every third row: 6 of 18 here, however long the run."""
    some = Curriculum([Rows("a", 18), Rows("b", 18), Rows("c", 5)], seed=0)
    drawn = [p.id for p in some.next(3 * 36)]
    epochs = [[i for i in drawn if i[0] == "a"][k : k + 18] for k in (0, 18)]
    assert [len(set(epoch)) for epoch in epochs] == [18, 18]
    assert epochs[0] != epochs[1]
    last = [i for i in drawn if i[0] == "c"]
    assert Counter(last[:35]) == Counter({f"c-{n}": 7 for n in range(5)})


def test_a_generated_family_counts_its_own_problems_from_the_first() -> None:
    problems = curriculum().next(6)
    assert [p.id for p in problems if p.family == "arithmetic"] == [
        Arithmetic().problem(i, split="train", seed=0).id for i in range(3)
    ]


def test_a_state_that_counted_all_families_together_is_refused() -> None:
    state = curriculum().state()
    with pytest.raises(PonderError, match="start the run anew"):
        curriculum().load_state({**state, "drawn": 12})
    del state["signals"]
    with pytest.raises(PonderError, match="how often the groups of a level were mixed"):
        curriculum().load_state(state)
