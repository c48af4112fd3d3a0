"""Rewards of a run pass through the noise dial; evaluation never does."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

from ponder.selfplay.config import Run
from ponder.selfplay.loop import SelfPlay
from ponder.types import Key, Problem, Question, Verdict

PROBLEM = Problem(Question("p", "sums", "3+4?"), Key("7"))


def grade(problems: Sequence[Problem], responses: Sequence[str]) -> list[Verdict]:
    return [Verdict(outcome=float(r == "7"), extracted=r) for r in responses]


def play(**noise: Any) -> SelfPlay:
    config = Run.model_validate({"noise": noise, "seed": 3})
    nobody = cast(Any, None)
    generator = cast(Any, SimpleNamespace(propose=SimpleNamespace(formed=None)))
    return SelfPlay(config, generator, nobody, nobody, grade, [], nobody, nobody)


def test_a_run_without_noise_learns_from_ground_truth_itself() -> None:
    assert play().reward_grade(1) is grade


def test_rewards_are_turned_and_the_grader_of_everything_else_is_not() -> None:
    noisy = play(false_accept=1.0, false_reject=1.0)
    assert [v.outcome for v in noisy.reward_grade(1)([PROBLEM] * 2, ["7", "8"])] == [0.0, 1.0]
    assert noisy.grade is grade and noisy.watch.grade is grade


def test_the_same_update_hears_the_same_noise_after_a_resume() -> None:
    def heard(update: int) -> list[float | None]:
        dial = play(false_accept=0.5, per="call").reward_grade(update)
        return [v.outcome for v in dial([PROBLEM] * 40, ["8"] * 40)]

    assert heard(1) == heard(1) != heard(2)
