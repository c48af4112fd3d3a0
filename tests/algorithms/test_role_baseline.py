"""Role-conditioned advantages: hand-made numbers and the invariant of a biased role."""

from __future__ import annotations

import pytest

from ponder.algorithms import ALGORITHMS
from ponder.algorithms.algorithm import Answer, Answers, Batch
from ponder.algorithms.role_baseline import RoleBaseline
from ponder.rewards.component import Earned
from ponder.types import Key, Problem, Question, Step, StopReason, Trajectory


def answers(role: str | None, *rewards: float) -> Answers:
    question = Question(f"q{role}", "nim", "?")
    problem = Problem(question, Key(data={} if role is None else {"role": role}))
    leaf = Step((1, 2), (0.0, 0.0), "xy", 0, StopReason.END)
    return Answers(problem, tuple(Answer(Earned(Trajectory(question, leaf), reward)) for reward in rewards))


def advantages(*groups: Answers) -> list[list[float]]:
    credits = RoleBaseline().credit(Batch(groups))
    return [[credit.advantages_T[0] for credit in credits_G] for credits_G in credits.credits_PG]


def test_groups_of_one_are_compared_with_others_of_their_role() -> None:
    # seat 0 earned 1, 1, 0; seat 1 earned 0, 1
    found = advantages(answers("0", 1.0), answers("1", 0.0), answers("0", 1.0, 0.0), answers("1", 1.0))
    assert found == [[0.5], [-1.0], [0.5, -1.0], [1.0]]


def test_an_advantage_of_one_seat_changes_nothing() -> None:
    plain = advantages(answers("0", 1.0, 0.0, 0.5), answers("1", 0.0, 1.0, 0.5))
    biased = advantages(answers("0", 1.3, 0.3, 0.8), answers("1", 0.0, 1.0, 0.5))
    assert [pytest.approx(some) for some in plain] == biased
    assert sum(plain[0]) == pytest.approx(0.0)


def test_a_role_that_always_earns_the_same_and_a_single_answer_teach_nothing() -> None:
    assert advantages(answers("0", 1.0), answers("0", 1.0), answers("1", 0.3)) == [[0.0], [0.0], [0.0]]


def test_without_a_role_the_family_is_one() -> None:
    assert advantages(answers(None, 1.0), answers(None, 0.0)) == [[1.0], [-1.0]]
    assert "role_baseline" in list(ALGORITHMS)
