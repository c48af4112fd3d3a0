"""Searches in an environment: they branch at any step of any turn, and what they finish are whole episodes.

The toy: a digit is hidden and the policy, which follows a script, guesses blindly; after a wrong one it tries again.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from ponder.environments import Repair, Retry
from ponder.learning.samples import mask
from ponder.protocols import Check, Environment, Price
from ponder.rollout.collect import Collected, collect
from ponder.search.registry import STRATEGIES, make
from ponder.types import Key, PonderError, Problem, Question, StopReason, Trajectory, Verdict
from tests.rollout.test_episodes import policy

PROBLEMS = [Problem(Question(f"digit-{i}", "toy", f"Guess digit {i}."), Key(str(3 + i))) for i in range(4)]
MOST, BUDGET = 240, 900


def guess(prompt: str, rng: Any) -> str:
    """A line of thought and a digit; after the line, which a search may draw alone, the digit."""
    return ("" if prompt.endswith("so\n") else "so\n") + f"</think>{rng.randrange(10)}"


def grade(problems: Sequence[Problem], responses: Sequence[str]) -> list[Verdict]:
    return [
        Verdict(outcome=float(r.endswith(f"</think>{p.key.answer}"))) for p, r in zip(problems, responses, strict=True)
    ]


@dataclass
class Sees:
    """A judge that knows the digits: high where the last turn holds the right one."""

    shift: int = 3
    read: int = 0

    def price(self, question: Question) -> Price:
        return Price(question=1.0, token=0.1)

    def extra(self, trajectory: Trajectory) -> float:
        return 0.0

    async def __call__(self, question: Question, trajectories: Sequence[Trajectory]) -> list[Verdict]:
        self.read += len(trajectories)
        wanted = self.shift + int(question.id.removeprefix("digit-"))
        found = []
        for t in trajectories:
            said = t.response.partition("</think>")[2]
            score = 0.95 if said == str(wanted) else 0.5
            found.append(Verdict(score=score, step_scores=(score,) * len(t.steps)))
        return found


def searched(
    name: str, environment: Environment, *, budget: float = BUDGET, size: int | None = None, **params: Any
) -> Collected:
    strategy = make(name, max_tokens=MOST, answer_reserve=8, **params)
    playing = collect(
        PROBLEMS,
        policy(guess),
        grade,
        group_size=size,
        max_tokens=MOST,
        seed=4,
        strategy=strategy,
        judge=Sees() if strategy.needs_judge else None,
        budget=budget,
        environment=environment,
    )
    return asyncio.run(asyncio.wait_for(playing, 60))


@pytest.mark.parametrize("name", sorted(STRATEGIES))
def test_every_strategy_searches_over_turns_within_its_budget_or_says_why_not(name: str) -> None:
    if name in ("revision", "critique", "mixed"):
        with pytest.raises(PonderError, match="shows the policy its own attempts"):
            searched(name, Retry(turns=3))
        return
    groups = searched(name, Retry(turns=3))
    assert len(groups) == len(PROBLEMS)
    usage = groups.usage
    assert usage.kept + usage.discarded + usage.verifier == pytest.approx(usage.spent)
    assert 0 < usage.spent <= len(PROBLEMS) * BUDGET
    played = [(t, v) for group in groups for t, v in zip(group.trajectories, group.verdicts, strict=True)]
    assert max(t.turns for t, _ in played) == (1 if name == "chain" else 3)  # a chain is one thought
    for trajectory, verdict in played:
        wanted = f"</think>{3 + int(trajectory.question.id[-1])}"
        assert verdict.failure is None and verdict.outcome == float(trajectory.response.endswith(wanted))
        # It goes on after a wrong answer until the third, and never after a right one.
        answers = [s.parent for s in trajectory.steps if s.opens_turn]
        assert not any(step is None or step.text.endswith(wanted) for step in answers)
        read = [kept for step, kept in zip(trajectory.steps, _by_step(trajectory), strict=True) if step.is_observation]
        assert not any(itertools.chain(*read))  # read, not learned from


def _by_step(trajectory: Trajectory) -> list[list[float]]:
    kept = iter(mask(trajectory))
    return [[next(kept) for _ in step.tokens] for step in trajectory.steps]


def test_a_vote_pays_for_whole_episodes_with_all_that_was_read() -> None:
    groups = searched("vote", Retry(turns=3))
    episodes = [t for group in groups for t in group.trajectories]
    assert all(t.finished and not any(s.forced and not s.is_observation for s in t.steps) for t in episodes)
    assert groups.usage.spent == sum(map(len, episodes))  # nothing is shared and nothing was cut
    assert all(v.turns and v.turns[-1] == v.outcome for group in groups for v in group.verdicts)


def test_a_tree_branches_behind_what_the_environment_said() -> None:
    groups = searched("beam", Retry(turns=3), budget=2500, width=4, expand=2)
    shared = 0
    for group in groups:
        observed = [s for t in group.trajectories for s in t.steps if s.is_observation]
        shared += len(observed) - len(set(observed))
    assert shared > 0


def test_a_turn_keeps_its_own_limit_while_it_is_searched() -> None:
    for group in searched("beam", Retry(turns=3, turn_tokens=5)):
        for trajectory in group.trajectories:
            turn_S, said = trajectory.turn_S, [0] * trajectory.turns
            for step, turn in zip(trajectory.steps, turn_S, strict=True):
                said[turn] += 0 if step.is_observation or step.forced else len(step.tokens)
            assert max(said[:-1], default=0) <= 5  # the last one may have had to be answered by force


@dataclass
class Counting:
    """Says how many turns it has heard in this very episode, and `fickle` also how many episodes there were."""

    fickle: bool = False
    opened: int = 0
    heard: list[list[str]] = field(default_factory=list)
    most_turns: int = 3
    most_turn_tokens: int = 0

    @asynccontextmanager
    async def episode(self, problem: Problem, check: Check, *, seed: int) -> AsyncIterator[_Heard]:
        self.opened += 1
        heard: list[str] = []
        self.heard.append(heard)
        yield _Heard(heard, self.opened if self.fickle else 0, seed)


@dataclass
class _Heard:
    heard: list[str]
    which: int
    seed: int

    async def reply(self, trajectory: Trajectory) -> str | None:
        self.heard.append(trajectory.response)
        return f"{len(self.heard)} heard, seed {self.seed}, {self.which}"

    async def verdict(self, trajectory: Trajectory) -> Verdict:
        return Verdict(outcome=float(len(self.heard) == trajectory.turns - 1))


def test_the_turns_of_a_branch_are_played_again_in_order_with_one_seed_a_problem() -> None:
    environment = Counting()
    groups = searched("beam", environment)
    played = [(t, v) for g in groups for t, v in zip(g.trajectories, g.verdicts, strict=True)]
    assert {v.outcome for _, v in played} == {1.0}
    for trajectory, _ in played:  # a reply that was read in parts has its text in the last one
        told = [s.text for s in trajectory.steps if s.is_observation and s.text]
        assert all(f"{place + 1} heard" in text for place, text in enumerate(told))
    for group in groups:
        told = [s.text for t in group.trajectories for s in t.steps if "seed" in s.text]
        assert len({text.split("seed ")[1].split(",")[0] for text in told}) == 1
    for trajectory, _ in played:  # some episode of the environment heard exactly these turns before the last one
        before = [s.parent for s in trajectory.steps if s.opens_turn]
        replies = [Trajectory(trajectory.question, leaf).response for leaf in before if leaf is not None]
        assert replies in environment.heard


def test_an_environment_that_replies_otherwise_the_second_time_is_a_failure_and_no_wrong_answer() -> None:
    groups = searched("vote", Counting(fickle=True))
    verdicts = [v for group in groups for v in group.verdicts]
    assert {v.failure for v in verdicts} == {"environment"}
    assert "replied something else" in verdicts[0].detail


def test_what_cannot_go_on_in_an_environment_is_the_end_of_the_episode() -> None:
    """A reply that does not fit is not read: the first answer then is the last one."""
    strategy = make("vote", max_tokens=20, answer_reserve=8)
    playing = collect(
        PROBLEMS,
        policy(guess),
        grade,
        group_size=None,
        max_tokens=20,
        seed=0,
        strategy=strategy,
        budget=200,
        environment=Retry(turns=3),
    )
    trajectories = [t for group in asyncio.run(playing) for t in group.trajectories]
    assert trajectories and {t.turns for t in trajectories} == {1}
    assert {t.stop for t in trajectories} == {StopReason.END}


def test_an_environment_that_does_not_fit_the_problems_is_said_at_once() -> None:
    with pytest.raises(PonderError, match="has no list of tests"):
        searched("vote", Repair())
