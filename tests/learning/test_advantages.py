from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ponder.algorithms import make
from ponder.algorithms.group_mean import GroupMean
from ponder.algorithms.group_normalised import GroupNormalised
from ponder.algorithms.leave_one_out import LeaveOneOut
from ponder.types import Group, PonderError, Trajectory
from tests.learning.factory import group

ALL = [GroupMean(), GroupNormalised(), GroupNormalised(sample=False), LeaveOneOut()]
rewards = st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), min_size=2, max_size=9)


def values(method: Any, outcomes: list[float | None]) -> list[float]:
    return [credit.advantages_T[0] for credit in method(group(outcomes))]


def test_group_mean_on_one_right_of_four():
    assert values(GroupMean(), [1.0, 0.0, 0.0, 0.0]) == [0.75, -0.25, -0.25, -0.25]


def test_leave_one_out_compares_with_the_others_only():
    # The others of the right one are all wrong (0); the others of a wrong one are right a third of the time.
    assert values(LeaveOneOut(), [1.0, 0.0, 0.0, 0.0]) == pytest.approx([1.0, -1 / 3, -1 / 3, -1 / 3])


def test_both_deviations_on_one_right_of_four():
    # Squares 9/16 + 3/16 = 3/4: sample deviation sqrt(1/4), population deviation sqrt(3/16).
    sample = values(GroupNormalised(epsilon=0.0), [1.0, 0.0, 0.0, 0.0])
    population = values(GroupNormalised(sample=False, epsilon=0.0), [1.0, 0.0, 0.0, 0.0])
    assert sample == pytest.approx([1.5, -0.5, -0.5, -0.5])
    assert population == pytest.approx([math.sqrt(3), *[-1 / math.sqrt(3)] * 3])


@given(rewards)
def test_advantages_sum_to_zero(outcomes: list[float]):
    for method in ALL:
        assert sum(values(method, list(outcomes))) == pytest.approx(0.0, abs=1e-9)


@given(rewards)
def test_group_mean_is_leave_one_out_times_g_minus_one_over_g(outcomes: list[float]):
    g = len(outcomes)
    scaled = [(g - 1) / g * a for a in values(LeaveOneOut(), list(outcomes))]
    assert values(GroupMean(), list(outcomes)) == pytest.approx(scaled)


@given(rewards.filter(lambda r: len(set(r)) > 1))
def test_squares_of_normalised_advantages_sum_to_the_count_of_the_deviation(outcomes: list[float]):
    g = len(outcomes)
    for sample, total in ((True, g - 1), (False, g)):
        found = values(GroupNormalised(sample=sample, epsilon=0.0), list(outcomes))
        assert sum(a * a for a in found) == pytest.approx(total)
        largest = (g - 1) / math.sqrt(g) if sample else math.sqrt(g - 1)
        assert max(map(abs, found)) <= largest + 1e-9


@given(rewards, st.floats(0.5, 4.0), st.floats(-2.0, 2.0))
def test_a_positive_affine_change_of_rewards_leaves_grpo_alone_and_scales_the_mean_rule(
    outcomes: list[float], slope: float, shift: float
):
    changed: list[float | None] = [slope * r + shift for r in outcomes]
    exact = GroupNormalised(epsilon=0.0)
    assert values(exact, changed) == pytest.approx(values(exact, list(outcomes)), abs=1e-6)
    scaled = [slope * a for a in values(GroupMean(), list(outcomes))]
    assert values(GroupMean(), changed) == pytest.approx(scaled, abs=1e-9)


@given(rewards, st.randoms())
def test_permuting_the_group_permutes_the_advantages(outcomes: list[float], rng: Any):
    order = list(range(len(outcomes)))
    rng.shuffle(order)
    for method in ALL:
        plain = values(method, list(outcomes))
        assert values(method, [outcomes[i] for i in order]) == pytest.approx([plain[i] for i in order])


@pytest.mark.parametrize("method", ALL)
@pytest.mark.parametrize("outcomes", [[1.0], [0.1] * 3, [0.0] * 8, [1.0] * 8])
def test_equal_rewards_and_single_members_get_exact_zeros(method: Any, outcomes: list[float | None]):
    assert values(method, outcomes) == [0.0] * len(outcomes)


@pytest.mark.parametrize("method", ALL)
def test_a_verdict_that_failed_is_left_out_and_does_not_count_as_wrong(method: Any):
    judged = values(method, [1.0, 0.0])
    assert values(method, [1.0, None, 0.0, None]) == judged
    assert method(group([None, None])) == []


def test_every_token_gets_the_advantage_forced_or_not():
    credits = GroupMean()(group([1.0, 0.0], lengths=[2, 5]))
    assert [c.advantages_T for c in credits] == [(0.5,) * 2, (-0.5,) * 5]


def test_a_method_works_on_whatever_reward_it_is_given():
    def longer_is_better(judged: Group) -> tuple[tuple[Trajectory, float], ...]:
        return tuple((t, float(len(t))) for t, _ in judged.judged)

    credits = make("group_mean", longer_is_better)(group([1.0, 1.0], lengths=[2, 4]))
    assert [c.advantages_T[0] for c in credits] == [-1.0, 1.0]


def test_a_wrong_name_is_answered_with_the_nearest_one():
    with pytest.raises(PonderError, match=r"'leave_one_uot'.*Did you mean 'leave_one_out'.*group_mean"):
        make("leave_one_uot")
