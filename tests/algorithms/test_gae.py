"""Generalised advantage estimation: numbers by hand and its two limits."""

from __future__ import annotations

import pytest

from ponder.algorithms.algorithm import Answer, Answers, Batch
from ponder.algorithms.gae import GAE, gae, rewards_of
from ponder.rewards.component import Earned
from ponder.types import Key, PonderError, Problem
from tests.algorithms.batches import steps
from tests.learning.factory import QUESTION


def given(*answers: Answer) -> Batch:
    return Batch((Answers(Problem(QUESTION, Key()), answers),))


def test_three_tokens_by_hand():
    # delta: 0.4 - 0.5, 0.8 - 0.4, 1 - 0.8; from the back: 0.2, 0.4 + 0.5 * 0.2, -0.1 + 0.5 * 0.5
    assert gae([0.0, 0.0, 1.0], [0.5, 0.4, 0.8], 1.0, 0.5) == pytest.approx([0.15, 0.5, 0.2])


def test_without_a_critics_opinion_every_token_gets_the_reward_to_come():
    assert gae([0.0, 0.5, 1.0], [0.0] * 3, 1.0, 1.0) == [1.5, 1.5, 1.0]


def test_lambda_one_is_return_less_value_and_lambda_zero_the_one_step_error():
    rewards, values = [0.1, 0.0, 1.0], [0.7, 0.2, 0.4]
    assert gae(rewards, values, 1.0, 1.0) == pytest.approx([1.1 - 0.7, 1.0 - 0.2, 1.0 - 0.4])
    assert gae(rewards, values, 1.0, 0.0) == pytest.approx([0.1 + 0.2 - 0.7, 0.4 - 0.2, 1.0 - 0.4])


def test_step_rewards_stand_at_the_last_token_of_their_step():
    answer = Answer(Earned(steps(2, 1, 2), 1.0, (0.1, 0.2, 0.3)))
    assert rewards_of(answer) == pytest.approx([0.0, 0.1, 0.2, 0.0, 1.3])


def test_the_critic_learns_from_the_reward_to_come_whatever_lambda_the_policy_has():
    answer = Answer(Earned(steps(3), 1.0), (0.5, 0.4, 0.8))
    (credits_G,) = GAE(lambda_policy=0.5, whiten=False).credit(given(answer)).credits_PG
    assert credits_G[0].advantages_T == pytest.approx((0.15, 0.5, 0.2))
    assert credits_G[0].returns_T == pytest.approx((1.0, 1.0, 1.0))
    assert credits_G[0].values_T == (0.5, 0.4, 0.8)


def test_lambda_that_follows_the_length_is_that_of_vapo():
    answer = Answer(Earned(steps(20), 1.0), (0.0,) * 20)
    (credits_G,) = GAE(adaptive=0.05, whiten=False).credit(given(answer)).credits_PG
    assert credits_G[0].advantages_T[:19] == pytest.approx([0.0] * 19)  # 1 - 1 / (0.05 * 20) = 0


def test_whitened_advantages_have_mean_zero_and_deviation_one():
    answers = [Answer(Earned(steps(n), r), (0.3,) * n) for n, r in ((2, 1.0), (3, 0.0), (1, 1.0))]
    (credits_G,) = GAE(epsilon=0.0).credit(given(*answers)).credits_PG
    flat = [a for c in credits_G for a in c.advantages_T]
    assert sum(flat) == pytest.approx(0.0, abs=1e-9)
    assert sum(a * a for a in flat) / len(flat) == pytest.approx(1.0)


def test_explained_variance_is_one_for_a_critic_that_is_right_and_zero_for_one_that_is_flat():
    right = [Answer(Earned(steps(2), r), (r, r)) for r in (1.0, 0.0)]
    flat = [Answer(Earned(steps(2), r), (0.5, 0.5)) for r in (1.0, 0.0)]
    assert GAE().credit(given(*right)).metrics["explained_variance"] == pytest.approx(1.0)
    assert GAE().credit(given(*flat)).metrics["explained_variance"] == pytest.approx(0.0)


def test_an_answer_without_values_is_refused():
    with pytest.raises(PonderError, match="0 values for 3 tokens of an answer to q; gae needs the critic"):
        GAE().credit(given(Answer(Earned(steps(3), 1.0))))
