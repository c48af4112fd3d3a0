"""REINFORCE++: whitening over all tokens of the batch."""

from __future__ import annotations

import math

import pytest

from ponder.algorithms.algorithm import Batch
from ponder.algorithms.reinforce_pp import ReinforcePP
from tests.algorithms.batches import answers, batch


def flat(method: ReinforcePP, given: Batch) -> list[float]:
    return [a for credits_G in method.credit(given).credits_PG for c in credits_G for a in c.advantages_T]


def test_rewards_are_whitened_over_the_tokens_of_all_groups_by_hand():
    """Answers of 1 and 3 tokens with rewards 1 and 0: mean 1/4, deviation sqrt(3)/4 over the four tokens."""
    given = Batch((answers([1.0], [1]), answers([0.0], [3])))
    assert flat(ReinforcePP(epsilon=0.0), given) == pytest.approx([math.sqrt(3), *[-1 / math.sqrt(3)] * 3])


def test_the_result_has_mean_zero_and_deviation_one_over_tokens():
    found = flat(ReinforcePP(epsilon=0.0), batch([1.0, 0.0, 1.0], [0.0, 0.0], [1.0, 1.0]))
    assert math.fsum(found) == pytest.approx(0.0, abs=1e-9)
    assert math.fsum(a * a for a in found) / len(found) == pytest.approx(1.0)


def test_a_problem_that_is_always_solved_still_teaches_unless_the_baseline_is_its_group():
    given = batch([1.0, 1.0], [1.0, 0.0])
    assert flat(ReinforcePP(), given)[0] > 0
    assert flat(ReinforcePP(baseline="group"), given)[:6] == [0.0] * 6


def test_a_batch_that_earns_the_same_everywhere_gives_exact_zeros():
    assert flat(ReinforcePP(epsilon=0.0), batch([0.1, 0.1], [0.1])) == [0.0] * 9


def test_the_metrics_tell_mean_and_deviation_of_what_was_whitened():
    metrics = ReinforcePP().credit(batch([1.0, 0.0])).metrics
    assert metrics == {"return_mean": 0.5, "return_deviation": 0.5}
