from __future__ import annotations

import pytest

from ponder.rewards.components import Outcome, RelativeLength, SoftOverlong, make
from ponder.types import PonderError
from tests.learning.factory import group


def values(reward, judged) -> list[float]:
    return [r for _, r in reward(judged)]


def test_the_plain_reward_is_the_outcome_and_skips_failures():
    assert values(Outcome(), group([1.0, None, 0.0])) == [1.0, 0.0]


def test_relative_length_gives_the_shortest_half_more_and_the_longest_half_less():
    judged = group([1.0, 1.0, 1.0], lengths=[2, 4, 6])
    assert values(RelativeLength(weight=1.0), judged) == [1.5, 1.0, 0.5]


def test_relative_length_never_lets_a_wrong_answer_gain():
    judged = group([0.0, 0.0, 1.0], lengths=[2, 6, 4])
    assert values(RelativeLength(weight=1.0), judged) == [0.0, -0.5, 1.0]


def test_relative_length_leaves_equal_lengths_alone():
    assert values(RelativeLength(weight=1.0), group([1.0, 0.0], lengths=[3, 3])) == [1.0, 0.0]
    assert values(RelativeLength(), group([None, None])) == []


def test_soft_overlong_at_the_lengths_of_the_paper():
    reward = SoftOverlong(limit=20480, margin=4096)
    assert [reward.price(n) for n in (100, 16384, 18432, 20480, 30000)] == [0.0, 0.0, -0.5, -1.0, -1.0]


def test_soft_overlong_is_added_to_the_outcome():
    reward = SoftOverlong(limit=8, margin=4)
    assert values(reward, group([1.0, 0.0, 1.0], lengths=[4, 6, 9])) == [1.0, -0.5, 0.0]


def test_impossible_margins_and_unknown_names_are_refused():
    with pytest.raises(PonderError, match="margin=9"):
        SoftOverlong(limit=8, margin=9)
    with pytest.raises(PonderError, match="Did you mean 'soft_overlong'"):
        make("soft_overlng")
    assert make("relative_length", weight=0.5) == RelativeLength(0.5)
