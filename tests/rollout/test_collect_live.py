"""Collecting from the embedded model: what is recorded is what the model gives those tokens after the question."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from ponder.engines.local.engine import LocalEngine
from ponder.environments import Retry, SingleTurn
from ponder.models.load import load
from ponder.policy.codec import Codec
from ponder.policy.propose import PolicyPropose
from ponder.problems.families.arithmetic import Arithmetic
from ponder.problems.families.countdown import Countdown
from ponder.protocols import Environment, Family, Price
from ponder.rollout.collect import Collected, collect
from ponder.search.registry import make
from ponder.types import Question, Trajectory, Verdict
from ponder.verifiers.truth import GroundTruth
from ponder.verifiers.votes import canonical_answer

FAMILIES: dict[str, Family] = {"arithmetic": Arithmetic(), "countdown": Countdown()}
PROBLEMS = [family.problem(i, split="train") for i in range(2) for family in FAMILIES.values()]


class Brief:
    """A judge that prefers short steps; reading is free."""

    def price(self, question: Question) -> Price:
        return Price(token=0.5)

    def extra(self, trajectory: Trajectory) -> float:
        return 0.0

    async def __call__(self, question: Question, trajectories: Sequence[Trajectory]) -> list[Verdict]:
        return [Verdict(score=1 / (1 + len(t) / 100)) for t in trajectories]


@pytest.fixture(scope="module")
def propose() -> PolicyPropose:
    loaded = load("tiny")
    codec = Codec(loaded.tokenizer)
    return PolicyPropose(LocalEngine(loaded.model, codec), codec, canonical_answer)


def assert_recorded_as_drawn(propose: PolicyPropose, groups: Collected) -> None:
    """The log-probabilities of drawn tokens are the model's own after the question and all that came before them."""

    async def scored() -> list[tuple[float, ...]]:
        return [
            await propose.engine.score(propose.prompts.tokens(group.problem.question), trajectory.tokens)
            for group in groups
            for trajectory in group.trajectories
        ]

    trajectories = [t for group in groups for t in group.trajectories]
    for trajectory, known in zip(trajectories, asyncio.run(scored()), strict=True):
        forced = [step.forced for step in trajectory.steps for _ in step.tokens]
        drawn = [i for i, was_forced in enumerate(forced) if not was_forced]
        assert [trajectory.logprobs[i] for i in drawn] == pytest.approx([known[i] for i in drawn], abs=1e-4)
        assert all(trajectory.logprobs[i] == 0.0 for i, was_forced in enumerate(forced) if was_forced)


def test_a_searched_group_holds_draws_of_the_policy(propose: PolicyPropose) -> None:
    beam = make("beam", max_tokens=160, width=4, expand=2, step_tokens=24)
    with GroundTruth(FAMILIES) as truth:
        groups = asyncio.run(
            collect(
                PROBLEMS,
                propose,
                truth.grade,
                group_size=6,
                max_tokens=160,
                seed=1,
                strategy=beam,
                judge=Brief(),
                budget=900,
            )
        )
    assert len(groups) == 4 and all(1 < len(g.trajectories) <= 6 for g in groups)
    assert groups.usage.spent <= 4 * 900 and groups.usage.verifier > 0
    assert all(v.failure is None for g in groups for v in g.verdicts)
    assert_recorded_as_drawn(propose, groups)


@pytest.mark.parametrize("environment", [SingleTurn(), Retry(turns=3, feedback="detail")])
def test_an_episode_is_drawn_after_the_very_tokens_that_are_learned_from(
    propose: PolicyPropose, environment: Environment
) -> None:
    with GroundTruth(FAMILIES) as truth:
        groups = asyncio.run(
            collect(PROBLEMS, propose, truth.grade, group_size=3, max_tokens=500, seed=1, environment=environment)
        )
        again = asyncio.run(
            collect(PROBLEMS, propose, truth.grade, group_size=3, max_tokens=500, seed=1, environment=environment)
        )
    assert [g.trajectories[0].tokens for g in groups] == [g.trajectories[0].tokens for g in again]
    assert [g.verdicts for g in groups] == [g.verdicts for g in again]
    turns = [1 + sum(s.is_observation for s in t.steps) for g in groups for t in g.trajectories]
    assert max(turns) == environment.most_turns  # some problems are hard
    assert min(turns) == 1
    assert_recorded_as_drawn(propose, groups)
