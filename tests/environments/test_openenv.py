"""OpenEnv environments against a server in this process: seeds, sessions, and a server that misbehaves.

The double has the two calls of a client that Ponder makes, `reset` and `step`; a real server and the real client are in
tests/interop (opt-in).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace, TracebackType
from typing import Any

import pytest

from ponder.environments import openenv as environment
from ponder.environments.openenv import OpenEnv
from ponder.problems.public import openenv as source
from ponder.problems.public.openenv import OpenEnvEpisodes
from ponder.rollout.collect import Collected, collect
from ponder.types import PonderError, Problem, Verdict
from tests.rollout.test_episodes import policy


@dataclass
class Server:
    """Guess seed % 10 in three turns; it holds `most` sessions at once and refuses another one.

    `ignores_seed` makes every reset begin the next episode of its own list. `odd` are seeds with which something goes
    wrong, by what it is.
    """

    most: int = 100
    ignores_seed: bool = False
    odd: dict[int, str] = field(default_factory=dict)
    open: int = 0
    peak: int = 0
    resets: list[int] = field(default_factory=list)
    closed: int = 0

    def client(self, url: str) -> Session:
        assert url == "http://double"
        return Session(self)


class Session:
    def __init__(self, server: Server) -> None:
        self.server, self.wanted, self.turns, self.wrong = server, 0, 0, ""

    async def __aenter__(self) -> Session:
        if self.server.open >= self.server.most:
            raise ConnectionError("the server is at its capacity")
        self.server.open += 1
        self.server.peak = max(self.server.peak, self.server.open)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.server.open -= 1
        self.server.closed += 1

    async def reset(self, *, seed: int) -> Any:
        self.server.resets.append(seed)
        await asyncio.sleep(0)  # others come in between
        self.wrong = self.server.odd.get(seed, "")
        if self.wrong == "reset" and self.server.resets.count(seed) > 1:
            raise RuntimeError("the reset failed")
        game = len(self.server.resets) if self.server.ignores_seed else seed
        self.wanted = game % 10
        return SimpleNamespace(observation={"prompt": f"Game {game}: guess my number.", "metadata": {}})

    async def step(self, action: dict[str, Any]) -> Any:
        self.turns += 1
        await asyncio.sleep(0)
        if self.wrong == "step":
            raise RuntimeError("the step failed")
        if self.wrong == "huge":
            return SimpleNamespace(observation={"prompt": "n" * 10**7}, done=False, reward=0.0)
        if self.wrong == "type":
            return SimpleNamespace(observation=None, done=False, reward=0.0)
        if self.wrong == "reward":
            return SimpleNamespace(observation={"prompt": "no"}, done=True, reward="a lot")
        right = action["message"] == str(self.wanted)
        return SimpleNamespace(observation={"prompt": "no"}, done=right or self.turns >= 3, reward=float(right))


@pytest.fixture
def serving(monkeypatch: pytest.MonkeyPatch) -> Any:
    def serve(server: Server) -> Server:
        for module in (environment, source):
            monkeypatch.setattr(module, "client", server.client)
        return server

    return serve


def problems(count: int) -> list[Problem]:
    family = OpenEnvEpisodes("http://double")
    return [family.problem(i) for i in range(count)]


def wanted(problem: Problem) -> int:
    return int(problem.key.data["seed"]) % 10


def played(some: Sequence[Problem], **settings: Any) -> Collected:
    def refuse(problems: Sequence[Problem], said: Sequence[str]) -> list[Verdict]:
        raise AssertionError("the server judges")

    guess = policy(lambda prompt, rng: f"so\n</think>{prompt.count('no<assistant>')}")
    acts_in = OpenEnv(turns=3, **settings)
    return asyncio.run(collect(some, guess, refuse, group_size=1, max_tokens=300, seed=0, environment=acts_in))


def test_a_problem_is_a_seed_and_the_splits_have_seeds_of_their_own(serving: Any) -> None:
    serving(Server())
    family = OpenEnvEpisodes("http://double")
    found = {split: {family.problem(i, split=split).key.data["seed"] for i in range(20)} for split in ("train", "test")}
    assert len(found["train"] | found["test"]) == 40
    assert family.problem(3) == OpenEnvEpisodes("http://double").problem(3)
    assert family.problem(3, seed=1) != family.problem(3)


def test_the_rewards_of_the_server_are_the_verdict_and_every_session_is_closed(serving: Any) -> None:
    server = serving(Server())
    groups = played(problems(20))
    for group in groups:
        number, [verdict] = wanted(group.problem), group.verdicts
        assert verdict.outcome == float(number < 3)
        assert group.trajectories[0].turns == min(number, 2) + 1
        assert len(verdict.turns) == group.trajectories[0].turns
    assert {group.verdicts[0].outcome for group in groups} == {0.0, 1.0}
    assert server.open == 0 and server.closed == 40  # a question each, and an episode each


def test_a_server_that_ignores_the_seed_gives_failures_and_no_wrong_answers(serving: Any) -> None:
    server = serving(Server())
    asked = problems(6)
    server.ignores_seed = True
    for group in played(asked):
        [verdict] = group.verdicts
        assert verdict.outcome is None and verdict.failure == "environment"
        assert f"reset with the seed {group.problem.key.data['seed']} began another episode" in verdict.detail
    assert server.open == 0


@pytest.mark.parametrize("sessions", [1, 3])
def test_no_more_sessions_are_open_than_the_server_holds(serving: Any, sessions: int) -> None:
    server = serving(Server(most=sessions))
    groups = played(problems(12), sessions=sessions)
    assert all(group.verdicts[0].failure is None for group in groups)
    assert server.peak == sessions and server.open == 0


def test_without_the_setting_a_server_of_one_session_fails_most_and_says_why(serving: Any) -> None:
    serving(Server(most=1))
    verdicts = [group.verdicts[0] for group in played(problems(6))]
    failed = [verdict for verdict in verdicts if verdict.failure == "environment"]
    assert len(failed) == 5 and all("at its capacity" in verdict.detail for verdict in failed)


def test_the_same_setting_holds_in_a_second_event_loop(serving: Any) -> None:
    """A semaphore belongs to a loop: one that is kept from the first would wait for a loop that is gone."""
    server = serving(Server(most=1))
    for _ in range(2):
        groups = played(problems(4), sessions=1)
        assert all(group.verdicts[0].failure is None for group in groups)
    assert server.peak == 1


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ("reset", "the reset failed"),
        ("step", "the step failed"),
        ("huge", "10000000 characters"),
        ("type", "AttributeError"),
        ("reward", "ValueError"),
    ],
)
def test_what_one_episode_does_wrong_is_its_own_failure(serving: Any, wrong: str, says: str) -> None:
    server = serving(Server(most=2))
    asked = problems(5)
    server.odd = {int(asked[1].key.data["seed"]): wrong}
    verdicts = [group.verdicts[0] for group in played(asked, sessions=2)]
    assert verdicts[1].outcome is None and verdicts[1].failure == "environment"
    assert says in verdicts[1].detail and len(verdicts[1].detail) < 1000
    assert all(verdict.failure is None for place, verdict in enumerate(verdicts) if place != 1)
    assert server.open == 0


def test_a_server_that_cannot_be_reset_is_one_sentence(serving: Any) -> None:
    serving(Server(most=0))
    with pytest.raises(PonderError, match="openenv:http://double cannot be reset: ConnectionError"):
        problems(1)


def test_a_problem_of_another_family_is_refused(serving: Any) -> None:
    serving(Server())
    from ponder.problems.families.arithmetic import Arithmetic

    with pytest.raises(PonderError, match="is of no server; use the family openenv:URL"):
        played([Arithmetic().problem(0)])
