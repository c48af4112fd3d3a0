"""Reward components: what each pays, and how they add up."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, Literal

import pytest

from ponder.config import load
from ponder.plugins import Plugin
from ponder.policy.frames.chain import Chain
from ponder.rewards import REWARDS
from ponder.rewards.component import Component, Graded, Pay, earned
from ponder.rewards.format import Format
from ponder.rewards.length import OverlongPenalty, RelativeLength
from ponder.rewards.novelty import Novelty
from ponder.rewards.outcome import Outcome
from ponder.rewards.process import Process
from ponder.types import Group, Key, PonderError, Problem, Step, StopReason, Trajectory, Verdict
from tests.algorithms.batches import steps
from tests.learning.factory import QUESTION, trajectory


def graded(trajectories: list[Trajectory], outcomes: list[float], scores: list[Verdict] | None = None) -> Graded:
    group = Group(Problem(QUESTION, Key()), tuple(trajectories), tuple(Verdict(outcome=o) for o in outcomes))
    return Graded(group, tuple(trajectories), tuple(outcomes), tuple(scores or ()))


def of_lengths(outcomes: list[float], lengths: list[int]) -> Graded:
    return graded([trajectory(length) for length in lengths], outcomes)


def said(text: str, stop: StopReason = StopReason.END) -> Trajectory:
    return Trajectory(QUESTION, Step((5,), (-1.0,), text, 1, stop))


def test_the_plain_reward_is_the_outcome():
    assert list(Outcome().pay(of_lengths([1.0, 0.0], [3, 3]))) == [1.0, 0.0]


def test_relative_length_gives_the_shortest_half_more_and_the_longest_half_less():
    assert list(RelativeLength().pay(of_lengths([1.0] * 3, [2, 4, 6]))) == [0.5, 0.0, -0.5]


def test_relative_length_never_lets_a_wrong_answer_gain():
    assert list(RelativeLength().pay(of_lengths([0.0, 0.0, 1.0], [2, 6, 4]))) == [0.0, -0.5, 0.0]


def test_relative_length_leaves_equal_lengths_alone():
    assert list(RelativeLength().pay(of_lengths([1.0, 0.0], [3, 3]))) == [0.0, 0.0]
    assert RelativeLength().pay(of_lengths([1.0], [3])) == [0.0]


def test_the_overlong_penalty_at_the_lengths_of_the_paper():
    reward = OverlongPenalty(limit=20480, margin=4096)
    assert [reward.price(n) for n in (100, 16384, 18432, 20480, 30000)] == [0.0, 0.0, -0.5, -1.0, -1.0]


def test_an_impossible_margin_is_refused_where_it_is_written():
    class Run(Plugin):
        kind: str = "run"
        reward: OverlongPenalty = OverlongPenalty()

    with pytest.raises(PonderError, match="margin=9 is larger than limit=8"):
        load(Run, None, ["reward.limit=8", "reward.margin=9"])


def test_format_pays_for_an_answer_behind_the_thinking_and_for_nothing_less():
    given = graded(
        [
            said("<think>a</think>\n5"),
            said("<think>a</think>"),
            said("<think>5"),
            said("5"),
            said("<think>a</think>\n5", StopReason.LENGTH),
        ],
        [1.0] * 5,
    )
    assert list(Format().pay(given)) == [1.0, 0.0, 0.0, 1.0, 0.0]


def test_format_asks_the_frame_where_an_answer_stands():
    group = [said("so \\boxed{5}"), said("5"), said("so \\boxed{5}", StopReason.LENGTH), said("so \\boxed{5")]
    boxed = replace(graded(group, [1.0] * 4), formed=Chain().formed)
    assert list(Format().pay(boxed)) == [1.0, 0.0, 0.0, 0.0]


def test_novelty_pays_right_answers_that_others_did_not_give():
    given = graded([said("a b"), said("a  b"), said("c"), said("d")], [1.0, 1.0, 1.0, 0.0])
    assert list(Novelty().pay(given)) == pytest.approx([1 / 3, 1 / 3, 2 / 3, 0.0])
    assert list(Novelty().pay(graded([said("a")], [1.0]))) == [0.0]


SCORES = [Verdict(score=0.9, step_scores=(0.5, 0.9)), Verdict(score=0.1, step_scores=(0.3, 0.2, 0.1))]


def judged() -> Graded:
    return graded([steps(1, 1), steps(1, 2, 1)], [1.0, 0.0], SCORES)


def test_the_verifiers_score_in_its_three_shapes():
    assert [p.total for p in Process(shape="score").pay(judged())] == [0.9, 0.1]
    assert [p.total for p in Process(shape="minimum").pay(judged())] == [0.5, 0.1]
    first, second = Process(shape="difference").pay(judged())  # the group starts at (0.5 + 0.3) / 2
    assert first.steps_S == pytest.approx((0.1, 0.4))
    assert second.steps_S == pytest.approx((-0.1, -0.1, -0.1))


def test_differences_add_up_to_the_last_score_less_the_start():
    for pay, verdict in zip(Process().pay(judged()), SCORES, strict=True):
        assert verdict.score is not None
        assert sum(pay.steps_S) == pytest.approx(verdict.score - 0.4)


def test_a_process_reward_without_scores_is_an_error_that_says_so():
    with pytest.raises(PonderError, match="0 scores for 2 answers to q"):
        Process().pay(of_lengths([1.0, 0.0], [2, 2]))
    with pytest.raises(PonderError, match="no step scores"):
        Process().pay(graded([steps(1)], [1.0], [Verdict(score=0.5)]))


def test_components_are_weighted_and_added_and_each_stays_visible():
    found = earned([Outcome(), Process(weight=0.5), RelativeLength(weight=0.2)], judged())
    # Lengths 2 and 4: the right, shorter one gains 0.5 * 0.2; the wrong, longer one loses as much.
    assert (found[0].reward, found[1].reward) == pytest.approx((1.1, -0.1))
    assert found[0].steps_S == pytest.approx((0.05, 0.2))
    assert found[0].parts == pytest.approx({"outcome": 1.0, "process": 0.25, "relative_length": 0.1})
    assert all(sum(one.parts.values()) == pytest.approx(one.total) for one in found)


def test_without_step_rewards_there_are_none():
    assert earned([Outcome()], judged())[0].steps_S == ()


class Broken(Component):
    kind: Literal["broken"] = "broken"
    paid: tuple[float, ...] = ()

    def pay(self, graded: Graded) -> Any:
        return [Pay(steps_S=(1.0,)), 0.0] if not self.paid else list(self.paid)


@pytest.mark.parametrize(
    ("paid", "message"),
    [
        ((1.0,), "1 amounts for 2 answers to q"),
        ((1.0, math.nan), "must be finite"),
        ((), "1 step rewards .* of 2 steps"),
    ],
)
def test_a_component_that_pays_the_wrong_thing_is_named(paid: tuple[float, ...], message: str):
    with pytest.raises(PonderError, match=f"reward broken: .*{message}"):
        earned([Broken(paid=paid)], judged())


def test_every_registered_reward_has_a_summary_and_a_source():
    for cls in REWARDS.settings_classes:
        assert cls.__doc__
        assert cls.source
