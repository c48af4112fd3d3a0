"""Credit rules that compare the answers of a group: numbers by hand, and what must hold for any rewards."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ponder.algorithms import ALGORITHMS
from ponder.algorithms.algorithm import Answer, Answers, Batch, Credits, checked
from ponder.algorithms.dr_grpo import DrGRPO
from ponder.algorithms.grpo import GRPO
from ponder.algorithms.rloo import RLOO
from ponder.rewards.component import Earned
from ponder.types import Key, PonderError, Problem
from tests.algorithms.batches import answers, batch, steps
from tests.learning.factory import QUESTION

ALL = [DrGRPO(), GRPO(), GRPO(deviation="population"), RLOO()]
rewards = st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), min_size=2, max_size=9)


def values(method: Any, given: list[float]) -> list[float]:
    """The advantage of the first token of each answer of one group."""
    (credits_G,) = method.credit(batch(given)).credits_PG
    return [credit.advantages_T[0] for credit in credits_G]


def test_dr_grpo_on_one_right_of_four():
    assert values(DrGRPO(), [1.0, 0.0, 0.0, 0.0]) == [0.75, -0.25, -0.25, -0.25]


def test_rloo_compares_with_the_others_only():
    # The others of the right one are all wrong (0); the others of a wrong one are right a third of the time.
    assert values(RLOO(), [1.0, 0.0, 0.0, 0.0]) == pytest.approx([1.0, -1 / 3, -1 / 3, -1 / 3])


def test_both_deviations_of_grpo_on_one_right_of_four():
    # Squares 9/16 + 3/16 = 3/4: sample deviation sqrt(1/4), population deviation sqrt(3/16).
    sample = values(GRPO(epsilon=0.0), [1.0, 0.0, 0.0, 0.0])
    population = values(GRPO(deviation="population", epsilon=0.0), [1.0, 0.0, 0.0, 0.0])
    assert sample == pytest.approx([1.5, -0.5, -0.5, -0.5])
    assert population == pytest.approx([math.sqrt(3), *[-1 / math.sqrt(3)] * 3])


@pytest.mark.parametrize("method", ALL)
@given(given=rewards)
def test_advantages_sum_to_zero(method: Any, given: list[float]):
    assert math.fsum(values(method, given)) == pytest.approx(0.0, abs=1e-9)


@given(given=rewards)
def test_the_mean_rule_is_leave_one_out_scaled_by_the_size_of_the_group(given: list[float]):
    scale = (len(given) - 1) / len(given)
    assert values(DrGRPO(), given) == pytest.approx([scale * value for value in values(RLOO(), given)])


@pytest.mark.parametrize("method", ALL)
@pytest.mark.parametrize("given", [[0.3, 0.3, 0.3], [1.0], [0.1] * 7])
def test_equal_rewards_and_a_single_answer_give_exact_zeros(method: Any, given: list[float]):
    assert values(method, given) == [0.0] * len(given)


@pytest.mark.parametrize("method", ALL)
def test_a_group_that_nothing_could_judge_has_no_credit(method: Any):
    assert method.credit(batch([])).credits_PG == ((),)


@pytest.mark.parametrize("method", ALL)
def test_every_token_of_an_answer_has_its_advantage_and_groups_do_not_mix(method: Any):
    credits_PG = method.credit(Batch((answers([1.0, 0.0], [2, 5]), answers([0.0, 0.0, 1.0])))).credits_PG
    assert [len(c.advantages_T) for c in credits_PG[0]] == [2, 5]
    assert all(len(set(c.advantages_T)) == 1 for credits_G in credits_PG for c in credits_G)
    assert [c.advantages_T[0] for c in credits_PG[0]] == pytest.approx(values(method, [1.0, 0.0]))


def test_step_rewards_reach_the_tokens_up_to_the_end_of_their_step():
    """Two answers of two steps: step rewards (0.4, 0.0) and (0.0, 0.0) have mean 0.1; end rewards 1 and 0 mean 0.5."""
    first = Answer(Earned(steps(1, 2), 1.0, (0.4, 0.0)))
    second = Answer(Earned(steps(2, 1), 0.0, (0.0, 0.0)))
    group = Answers(Problem(QUESTION, Key()), (first, second))
    (credits_G,) = DrGRPO().credit(Batch((group,))).credits_PG
    # Centred steps of the first answer: 0.3, -0.1; to go: 0.2 on its first step, -0.1 on its second.
    assert credits_G[0].advantages_T == pytest.approx((0.7, 0.4, 0.4))
    assert credits_G[1].advantages_T == pytest.approx((-0.7, -0.7, -0.6))


def test_a_longer_chain_gains_nothing_from_equal_step_rewards():
    long, short = Answer(Earned(steps(1, 1, 1, 1), 1.0, (0.5,) * 4)), Answer(Earned(steps(1), 1.0, (0.5,)))
    (credits_G,) = RLOO().credit(Batch((Answers(Problem(QUESTION, Key()), (long, short)),))).credits_PG
    assert all(advantage == 0.0 for credit in credits_G for advantage in credit.advantages_T)


def test_credits_that_do_not_fit_their_batch_are_refused():
    given = batch([1.0, 0.0])
    right = DrGRPO().credit(given)
    assert checked(given, right, "mine") is right
    with pytest.raises(PonderError, match="credit for 0 of 1 groups"):
        checked(given, Credits(()), "mine")
    with pytest.raises(PonderError, match="not those of its 2 answers"):
        checked(given, Credits((right.credits_PG[0][::-1],)), "mine")


def test_an_unknown_kind_names_the_nearest_one():
    with pytest.raises(PonderError, match=r"unknown algorithm 'rlo'\. Did you mean 'rloo'"):
        ALGORITHMS["rlo"]
