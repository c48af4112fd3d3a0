"""Other people's environments: their tasks as problems, ours as theirs, an OpenEnv server, each to a training step.

Opt-in, in an environment of its own, since the packages bring a hundred others:

    python -m venv /tmp/interop && /tmp/interop/bin/pip install -e '.[verifiers,openenv,inspect]' datasets pytest
    PONDER_INTEROP=1 /tmp/interop/bin/python -m pytest tests/interop
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ponder.api.problems import load_families
from ponder.api.training.bare import play_until
from ponder.config import load
from ponder.problems.families.arithmetic import Arithmetic
from ponder.selfplay.config import Run
from ponder.types import PonderError

asked = bool(os.environ.get("PONDER_INTEROP"))
theirs = pytest.mark.skipif(not asked or importlib.util.find_spec("verifiers") is None, reason="set PONDER_INTEROP=1")
openenv = pytest.mark.skipif(not asked or importlib.util.find_spec("openenv") is None, reason="set PONDER_INTEROP=1")
SMALL = ["rounds=1", "updates=1", "sampling.problems=3", "sampling.group_size=2", "sampling.max_tokens=24",
         "verifier.enabled=false", "evaluation.ladder=2"]  # fmt: skip
SUMS = """
import verifiers.v1 as vf


class Data(vf.TaskData):
    answer: int


class Sum(vf.Task[Data, vf.State, vf.TaskConfig]):
    @vf.reward
    async def right(self, task, trace) -> float:
        return float(trace.last_reply == str(task.answer))

    @vf.reward(weight=0.5)
    async def short(self, task, trace) -> float:
        return float(len(trace.last_reply) < 6)


class Sums(vf.Taskset[Sum, vf.TasksetConfig]):
    def load(self):
        for a in range(10):
            for b in range(10):
                yield Sum(Data(prompt=f"{a}+{b}=?", system_prompt="Add.", answer=a + b), self.config.task)


__all__ = ["Sums"]
"""


@pytest.fixture
def sums(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    (tmp_path / "their_sums.py").write_text(SUMS, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield "their_sums"
    sys.modules.pop("their_sums", None)


def test_without_the_packages_the_extra_is_named() -> None:
    if importlib.util.find_spec("verifiers") is None:
        with pytest.raises(PonderError, match=r"pip install -e .\.\[verifiers\]"):
            load_families(["verifiers:sums"])
    if importlib.util.find_spec("openenv") is None:
        (family,) = load_families(["openenv:http://127.0.0.1:9"])
        with pytest.raises(PonderError, match=r"pip install -e .\.\[openenv\]"):
            family.problem(0)


@theirs
def test_their_tasks_are_problems_graded_by_their_rewards(sums: str) -> None:
    (family,) = load_families([f"verifiers:{sums}?least=1.5"])
    texts: dict[str, str] = {}
    for split in ("train", "validation", "test"):
        size = family.size(split)  # type: ignore[attr-defined]
        for i in range(size):
            problem = family.problem(i, split=split, seed=1)
            assert texts.setdefault(problem.question.text, split) == split
    assert len(texts) == 100
    a, b = problem.question.text.removesuffix("=?").split("+")
    answer = str(int(a) + int(b))
    grade = family.grade  # type: ignore[attr-defined]
    assert problem.question.instructions == "Add."
    assert grade(problem, f"so</think>{answer}").outcome == 1.0
    assert grade(problem, f"{answer}</think>{answer}1").outcome == 0.0
    assert grade(problem, f"<think>{answer}").outcome == 0.0

    async def within() -> float | None:
        outcome: float | None = grade(problem, answer).outcome
        return outcome

    assert asyncio.run(within()) == 1.0


@theirs
def test_their_tasks_train_a_policy(sums: str) -> None:
    played = play_until(load(Run, None, [f'problems=["verifiers:{sums}?least=1.5"]', *SMALL]))
    assert played.rows[-1]["round"] == 0


@theirs
def test_our_problems_are_their_tasks_and_come_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import verifiers.v1 as vf

    name = "ponder_taskset"
    text = 'from ponder.api.interop.taskset import PonderTaskset\n__all__ = ["PonderTaskset"]\n'
    (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    taskset = vf.load_taskset(vf.taskset_config_type(name)(id=name, spec="arithmetic?terms=3", count=20))
    tasks = list(taskset)
    assert [task.data.prompt for task in tasks] == [Arithmetic(terms=3).problem(i).question.text for i in range(20)]
    (family,) = load_families([f"verifiers:{name}"])
    problem = family.problem(0)
    own = Arithmetic()
    index = next(i for i in range(1000) if own.problem(i).question.text == problem.question.text)
    grade = family.grade  # type: ignore[attr-defined]
    for answer in own.equivalents(own.problem(index)):
        assert grade(problem, answer).outcome == 1.0
    for answer in own.near_misses(own.problem(index)):
        assert grade(problem, answer).outcome == 0.0


GUESS = """
import verifiers.v1 as vf


class Data(vf.TaskData):
    number: int


class Config(vf.EnvConfig):
    player: vf.AgentConfig = vf.AgentConfig()


class Game(vf.Env[Config]):
    async def run(self, task, agents):
        async with agents.player.interaction(task) as interaction:
            segment, tries = await interaction.turn(), 1
            while not segment.terminated and segment.last_reply != str(task.data.number):
                if segment.last_reply == "boom":
                    raise RuntimeError("the game broke")
                segment, tries = await interaction.turn(f"no, try {tries + 1}"), tries + 1
        interaction.trace.record_reward("won", 0.0 if segment.terminated else 1.0)


class Numbers(vf.Taskset[vf.Task[Data, vf.State, vf.TaskConfig], vf.TasksetConfig]):
    def load(self):
        for number in range(40):
            yield vf.Task(Data(prompt=f"Guess number {number}.", number=number), self.config.task)


__all__ = ["Numbers", "Game"]
"""


@theirs
def test_an_environment_of_theirs_plays_turns_with_the_policy_and_trains_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Number n is guessed in turn 1 + n % 4 of three; where n % 10 is 9 the game breaks."""
    import re

    from ponder.environments.verifiers import VerifiersEnvironment
    from ponder.rollout.collect import collect
    from tests.rollout.test_episodes import policy

    (tmp_path / "their_game.py").write_text(GUESS, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    (family,) = load_families(["verifiers:their_game"])
    problems = [family.problem(i) for i in range(family.size("train"))]  # type: ignore[attr-defined]

    def script(prompt: str, rng: Any) -> str:
        number, turn = int(re.findall(r"number (\d+)", prompt)[0]), prompt.count("<assistant>")
        return f"so\n</think>{'boom' if number % 10 == 9 else number if turn == 1 + number % 4 else 'x'}"

    groups = asyncio.run(
        collect(
            problems,
            policy(script),
            lambda some, said: [],
            group_size=1,
            max_tokens=400,
            seed=0,
            environment=VerifiersEnvironment(turns=3),
        )
    )
    for group in groups:
        number, verdict = int(group.problem.question.text.split()[-1].strip(".")), group.verdicts[0]
        assert (verdict.failure == "environment") == (number % 10 == 9)
        if verdict.failure is None:
            won = number % 4 < 3
            assert verdict.outcome == float(won) and len(verdict.turns) == group.trajectories[0].turns
            assert group.trajectories[0].turns == (1 + number % 4 if won else 3)
    settings = ['problems=["verifiers:their_game"]', "environment.kind=verifiers", "environment.turns=2", *SMALL]
    assert play_until(load(Run, None, settings)).rows[-1]["round"] == 0
    sys.modules.pop("their_game", None)


@theirs
def test_what_is_no_taskset_is_refused_in_a_sentence() -> None:
    with pytest.raises(PonderError, match="cannot load verifiers:no_such_thing"):
        load_families(["verifiers:no_such_thing"])


@pytest.fixture
def server() -> Iterator[str]:
    """An OpenEnv server on this machine: guess a number below ten, hear whether it is larger, in three turns."""
    import uvicorn
    from openenv.core.env_server.http_server import create_app
    from openenv.core.env_server.interfaces import Environment
    from openenv.core.env_server.types import Action, Observation, State

    class Guess(Action):  # type: ignore[misc]
        message: str = ""

    class Heard(Observation):  # type: ignore[misc]
        prompt: str = ""

    class Numbers(Environment):  # type: ignore[misc]
        SUPPORTS_CONCURRENT_SESSIONS = True

        def reset(self, seed: int | None = None, episode_id: str | None = None, **more: Any) -> Heard:
            self.wanted, self.turns = (seed or 0) % 10, 0
            return Heard(prompt=f"Game {seed}: guess my number below ten.", done=False)

        def step(self, action: Guess, timeout_s: float | None = None, **more: Any) -> Heard:
            self.turns += 1
            right = action.message.strip() == str(self.wanted)
            return Heard(prompt="no", done=right or self.turns >= 3, reward=float(right))

        @property
        def state(self) -> State:
            return State()

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    app = create_app(Numbers, Guess, Heard, max_concurrent_envs=16)
    made = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning"))
    thread = threading.Thread(target=made.run, daemon=True)
    thread.start()
    while not made.started and thread.is_alive():
        time.sleep(0.05)
    yield f"http://127.0.0.1:{port}"
    made.should_exit = True
    thread.join(20)


@openenv
def test_an_openenv_server_is_played_and_trained_on(server: str) -> None:
    from ponder.engines.scripted import ScriptedEngine
    from ponder.environments.openenv import OpenEnv
    from ponder.policy.propose import PolicyPropose
    from ponder.rollout.collect import collect
    from ponder.verifiers.votes import canonical_answer
    from tests.policy.test_policy import CODEC

    (family,) = load_families([f"openenv:{server}"])
    problems = [family.problem(i) for i in range(12)]
    assert len({p.question.text for p in problems}) == 12
    engine = ScriptedEngine(CODEC, lambda prompt, rng: f"so\n</think>{prompt.count('no<assistant>')}")
    propose = PolicyPropose(engine, CODEC, canonical_answer)

    def grade(some: Any, said: Any) -> Any:
        raise AssertionError("the server judges")

    groups = asyncio.run(
        collect(problems, propose, grade, group_size=1, max_tokens=200, seed=0, environment=OpenEnv(turns=3))
    )
    for group in groups:
        wanted = group.problem.key.data["seed"] % 10
        assert group.verdicts[0].outcome == float(wanted < 3), json.dumps(dict(group.problem.key.data))
        assert group.trajectories[0].turns == (wanted + 1 if wanted < 3 else 3)
    settings = [f'problems=["openenv:{server}"]', "environment.kind=openenv", "environment.turns=2", *SMALL]
    assert play_until(load(Run, None, settings)).rows[-1]["round"] == 0
