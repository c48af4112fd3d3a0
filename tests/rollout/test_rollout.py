"""Groups and step labels, on a policy that follows a script."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from ponder.labels.contrast import label, outcome_labels, spread
from ponder.problems.families.arithmetic import Arithmetic
from ponder.protocols import Until
from ponder.rollout.collect import collect
from ponder.types import Group, Problem, Question, Step, StopReason, Trajectory, Verdict


def step(text: str, parent: Step | None = None, stop: StopReason = StopReason.STEP) -> Step:
    return Step(tuple(map(ord, text)), (0.0,) * len(text), text, 0, stop, parent)


class Walker:
    """A policy on the path a, b, c, end. From a prefix it ends right in `odds[len(path)]` of every 4 draws."""

    def __init__(self, odds: dict[int, int]) -> None:
        self.odds, self.asked = odds, list[tuple[int, int, int]]()

    async def __call__(
        self, question: Question, prefix: Step | None, n: int, *, until: Until, max_tokens: int, seed: int
    ) -> list[Step]:
        depth = 0 if prefix is None else len(prefix.path)
        self.asked.append((depth, n, max_tokens))
        right = self.odds[depth]
        return [step("R" if i % 4 < right else "W", prefix, StopReason.END) for i in range(n)]

    def answer(self, trajectory: Trajectory) -> str | None:
        return trajectory.leaf.text


class Late(Walker):
    """The shorter the prefix, the later its rollouts come."""

    async def __call__(
        self, question: Question, prefix: Step | None, n: int, *, until: Until, max_tokens: int, seed: int
    ) -> list[Step]:
        await asyncio.sleep(0.01 * max_tokens)
        return await super().__call__(question, prefix, n, until=until, max_tokens=max_tokens, seed=seed)


def grade(problems: Sequence[Problem], responses: Sequence[str]) -> list[Verdict]:
    return [Verdict(outcome=float(response.endswith("R"))) for response in responses]


PROBLEM = Arithmetic().problem(0)


def trajectory(last: str) -> Trajectory:
    return Trajectory(PROBLEM.question, step(last, step("c\n", step("b\n", step("a\n"))), StopReason.END))


def test_groups_keep_the_order_of_problems_and_hold_every_draw() -> None:
    problems = [Arithmetic().problem(i) for i in range(3)]
    groups = asyncio.run(collect(problems, Walker({0: 1}), grade, group_size=4, max_tokens=9, seed=0))
    assert [g.problem.id for g in groups] == [p.id for p in problems]
    assert [g.solve_rate for g in groups] == [0.25] * 3


def test_groups_may_differ_in_size_and_an_empty_one_is_none() -> None:
    problems = [Arithmetic().problem(i) for i in range(3)]
    groups = asyncio.run(collect(problems, Walker({0: 1}), grade, group_size=[2, 0, 3], max_tokens=9, seed=0))
    assert [(g.problem.id, len(g.trajectories)) for g in groups] == [(problems[0].id, 2), (problems[2].id, 3)]


def test_a_broken_grader_is_left_out_of_the_solve_rate() -> None:
    verdicts = (Verdict(outcome=1.0), Verdict(failure="timeout"))
    group = Group(PROBLEM, (trajectory("R"), trajectory("W")), verdicts)
    assert group.solve_rate == 1.0
    assert [item.labels[0].value for item in outcome_labels([group])] == [1.0]


def test_labels_are_the_share_of_rollouts_that_end_right_and_the_last_is_the_outcome() -> None:
    group = Group(PROBLEM, (trajectory("R"), trajectory("W")), (Verdict(outcome=1.0), Verdict(outcome=0.0)))
    walker = Walker({1: 4, 2: 2, 3: 1})
    found = asyncio.run(label([group], walker, grade, rollouts=4, most_steps=9, max_tokens=20, seed=0))
    assert [[known.value for known in item.labels] for item in found] == [[1.0, 0.5, 0.25, 1.0], [1.0, 0.5, 0.25, 0.0]]
    assert [known.step for known in found[0].labels] == [0, 1, 2, 3]
    # What a prefix has used is taken off its rollouts; both trajectories begin alike, so each prefix is asked once.
    assert walker.asked == [(1, 4, 18), (2, 4, 16), (3, 4, 14)]
    assert [item.first_error for item in found] == [-1, 3]


def test_all_rollouts_are_graded_in_one_call_in_the_order_of_the_steps() -> None:
    """A grader that counts its calls, like noise drawn for each call, must not see the timing."""
    groups = [Group(PROBLEM, (trajectory("R"),), (Verdict(outcome=1.0),))] * 2
    calls: list[list[str]] = []

    def counted(problems: Sequence[Problem], responses: Sequence[str]) -> list[Verdict]:
        calls.append(list(responses))
        return grade(problems, responses)

    asyncio.run(label(groups, Late({1: 1, 2: 1, 3: 1}), counted, rollouts=2, most_steps=9, max_tokens=20, seed=0))
    assert calls == [["a\nR", "a\nW", "a\nb\nR", "a\nb\nW", "a\nb\nc\nR", "a\nb\nc\nW"]]


def test_a_group_with_one_kind_of_outcome_gives_one_trajectory() -> None:
    group = Group(PROBLEM, (trajectory("R"), trajectory("R")), (Verdict(outcome=1.0),) * 2)
    found = asyncio.run(
        label([group], Walker({1: 4, 2: 4, 3: 4}), grade, rollouts=2, most_steps=1, max_tokens=9, seed=0)
    )
    assert len(found) == 1
    assert [known.step for known in found[0].labels] == [1, 3]


@pytest.mark.parametrize(
    ("count", "most", "expected"),
    [(0, 3, []), (3, 5, [0, 1, 2]), (5, 3, [0, 2, 4]), (9, 1, [4]), (10, 4, [0, 3, 6, 9])],
)
def test_spread_takes_evenly_and_keeps_the_ends(count: int, most: int, expected: list[int]) -> None:
    assert spread(count, most) == expected
