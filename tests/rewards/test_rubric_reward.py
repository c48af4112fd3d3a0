"""A judging model as a reward: what is paid, what the log says, and that it is named where it is all there is."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from ponder.api.training.notices import notices
from ponder.config import load
from ponder.policy.prompts import Prompts
from ponder.problems.families.arithmetic import Arithmetic
from ponder.protocols import Propose
from ponder.rewards.component import Graded, earned
from ponder.rewards.outcome import Outcome
from ponder.rewards.rubric import Rubric
from ponder.selfplay.config import Run
from ponder.selfplay.credit import Crediting
from ponder.selfplay.needs import asked_for
from ponder.selfplay.scorers.judging import agreement
from ponder.selfplay.scorers.scorers import Scorers
from ponder.types import Group, Key, PonderError, Problem, Question, Step, StopReason, Trajectory, Verdict
from tests.policy.test_policy import CODEC

QUESTION = Question("q", "toy", "Write a poem on rain.")


def said(text: str) -> Trajectory:
    return Trajectory(QUESTION, Step((1, 2), (-0.5, -0.5), text, 0, StopReason.END))


def group(*texts: str) -> Group:
    verdicts = [Verdict(outcome=float("rain" in text)) for text in texts]
    return Group(Problem(QUESTION, Key()), tuple(map(said, texts)), tuple(verdicts))


def graded(opinions: Sequence[Verdict]) -> Graded:
    some = group(*["x"] * len(opinions))
    return Graded(some, some.trajectories, (0.0,) * len(opinions), judged_G=tuple(opinions))


def test_the_share_of_criteria_is_paid_and_no_opinion_is_the_mean_of_the_group() -> None:
    opinions = [Verdict(score=1.0), Verdict(failure="judge"), Verdict(score=0.5)]
    assert list(Rubric().pay(graded(opinions))) == [1.0, 0.75, 0.5]
    assert list(Rubric().pay(graded([Verdict(failure="judge")]))) == [0.0]
    assert [one.reward for one in earned([Outcome(), Rubric(weight=0.5)], graded(opinions))] == [0.5, 0.375, 0.25]
    with pytest.raises(PonderError, match="0 opinions for 1 answers"):
        Rubric().pay(Graded(group("x"), (said("x"),), (0.0,)))


class Fond:
    """A judge that is fond of rain."""

    async def verdict(self, task: str, answer: str) -> Verdict:
        assert task == QUESTION.text
        return Verdict(failure="judge") if "?" in answer else Verdict(score=float("rain" in answer))


def test_the_judge_is_asked_once_an_update_and_its_agreement_is_measured() -> None:
    asked: list[Propose] = []

    def judge_of(policy: Propose) -> Fond:
        asked.append(policy)
        return Fond()

    scorers, policy = Scorers(judge=judge_of), object()
    did: list[tuple[str, Any]] = []

    def found_of(groups: Sequence[Group]) -> Any:
        return scorers.ask(
            groups,
            {"judge"},
            None,
            policy,  # type: ignore[arg-type]
            lambda problems, responses: [],
            asyncio.run,
            lambda *what: did.append(what),
            max_tokens=9,
            seed=0,
        )

    groups = [group("rain falls", "sun"), group("rain?", "so</think>rain")]
    found = found_of(groups)
    assert [v.score for v in found.judged] == [1.0, 0.0, None, 1.0]
    assert found.metrics == {"judge_failures": 0.25, "judge_score": pytest.approx(2 / 3), "judge_agreement": 1.0}
    assert len(asked) == 1 and did == [("judging", None)]
    config = load(Run, None, ['rewards=[{kind="rubric"}]'])
    paid = Crediting(config.rewards, config.algorithm, ask=found_of)(groups)
    assert paid.rewards["rubric"] == pytest.approx((1.0 + 0.0 + 1.0 + 1.0) / 4)
    assert paid.agreed["judge_agreement"] == 1.0


def test_agreement_is_about_what_was_judged_alone() -> None:
    verdicts = [Verdict(score=0.9), Verdict(score=0.2), Verdict(failure="judge")]
    assert agreement(verdicts, [1.0, 1.0, 0.0])["judge_agreement"] == 0.5
    assert agreement([Verdict(failure="judge")], [1.0]) == {"judge_failures": 1.0}
    assert agreement([], []) == {}


def test_a_judge_as_the_only_reward_is_named_in_the_log() -> None:
    def told(rewards: str) -> list[str]:
        return notices(load(Run, None, [f"rewards={rewards}"]), Prompts(CODEC))

    assert "a policy can learn to fool it" in told('[{kind="rubric"}]')[0]
    assert "a policy can learn to fool it" in told('[{kind="rubric"}, {kind="format"}]')[0]
    assert told('[{kind="outcome"}, {kind="rubric", weight=0.3}]') == []
    assert asked_for(load(Run, None, ['rewards=[{kind="rubric"}]'])) == {"judge"}


def test_a_file_with_few_rows_is_named_in_the_log() -> None:
    class Rows(Arithmetic):
        def size(self, split: str) -> int:
            return {"validation": 21, "test": 49, "train": 130}[split]

    def told(*settings: str) -> list[str]:
        return notices(load(Run, None, list(settings)), Prompts(CODEC), [Rows(name="mine"), Arithmetic()])

    (found,) = told("evaluation.ladder=64", "evaluation.problems=300")
    assert found.startswith("mine has 21 validation rows where 64 were asked for and 49 test rows where 300 were")
    assert found.endswith("all of them are measured; at 50 % right an interval is 28 points wide")
    assert told("evaluation.ladder=21", "evaluation.problems=49") == []


def test_weights_that_do_not_fit_are_refused() -> None:
    with pytest.raises(PonderError, match="1 weights for 2 criteria"):
        load(Run, None, ['rewards=[{kind="rubric", criteria=["a", "b"], weights=[1.0]}]'])
