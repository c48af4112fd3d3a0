"""Tasks of the package `verifiers` (0.4 and later) as problems: `verifiers:TASKSET`, an installed taskset's id.

The prompt of a task is the question, and its own rewards grade the answer: the task is handed a trace with the prompt
and the answer (thinking apart, as servers give it), and is right if the rewards sum up to `least`. A taskset whose
environment plays several turns by code of its own is for the environment `verifiers`, which lets that code ask the
policy. What needs more is refused by name: tools, a container, several agents.
Rewards that want a runtime are skipped by the package; a task of which nothing was scored is the failure "unsupported".

Tasks have no splits, so the content of a prompt decides, as for our own families. `settings` is a JSON file with
settings of the taskset. At most `limit` tasks are read, since a taskset may be endless.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import json
import random
from collections.abc import Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

from ponder.problems.splits import SPLITS, check_split, split_of
from ponder.thinking import THINK_CLOSE, THINK_OPEN, final_answer
from ponder.types import Key, PonderError, Problem, Question, Verdict

LOADED: dict[tuple[str, str], Verifiers] = {}  # by taskset and settings: an environment finds its tasks here


class Verifiers:
    """Tasks of a taskset of the package verifiers, graded by its own rewards."""

    level = 0

    def __init__(self, target: str, *, least: float = 1.0, limit: int = 10_000, settings: str = "") -> None:
        self.name, self._least, self._source = f"verifiers:{target}", least, (target, settings)
        if importlib.util.find_spec("verifiers") is None:
            raise PonderError(
                f"{self.name} needs the package verifiers; install it with: pip install -e '.[verifiers]'"
            )
        try:
            self._vf: Any = importlib.import_module("verifiers.v1")
            chosen = json.loads(Path(settings).read_text(encoding="utf-8")) if settings else {}
            config = self._vf.taskset_config_type(target)(id=target, **chosen)
            kind = self._vf.environment_class(target)
            self.environment: Any = None if kind is self._vf.SingleAgentEnv else _environment(kind, config)
            taskset = self._vf.load_taskset(config) if self.environment is None else self.environment.taskset
            self._tasks: list[Any] = list(islice(taskset, limit))
        except Exception as error:  # whatever the package raises: no such taskset, a missing package, no network
            raise PonderError(f"cannot load {self.name}: {type(error).__name__}: {error}") from error
        if not self._tasks:
            raise PonderError(f"{self.name} holds no task")
        self._refuse(self._tasks[0])
        LOADED[self._source] = self
        self._places: dict[str, list[int]] = {split: [] for split in SPLITS}
        for place, task in enumerate(self._tasks):
            self._places[split_of(self._content(task, place))].append(place)

    def _content(self, task: Any, place: int) -> str:
        """What makes a task another problem: its prompt; where turns follow, the same prompt may begin other games."""
        text = str(task.data.prompt_text)
        return text if self.environment is None else f"{text}\n{task.data.name or place}"

    def _refuse(self, task: Any) -> None:
        if task.NEEDS_CONTAINER or task.data.image:
            raise PonderError(f"{self.name}: its tasks need a container, and answers here are texts")
        if type(task).toolsets(task.config):
            raise PonderError(f"{self.name}: its tasks bring tools of their own, which are not passed on to a policy")
        seats = [] if self.environment is None else list(_agents(self.environment.config))
        if len(seats) > 1:
            raise PonderError(f"{self.name}: its environment wants {len(seats)} agents ({', '.join(seats)}), not one")
        if seats and not task.data.prompt:
            raise PonderError(f"{self.name}: its environment says the question only while it plays, and none is there")

    def size(self, split: str) -> int:
        check_split(split)
        return len(self._places[split])

    def problem(self, index: int, *, split: str = "train", seed: int = 0) -> Problem:
        """Task number `index` of the split in an order that `seed` shuffles; after the last one it begins again."""
        check_split(split)
        places = self._places[split]
        if not places:
            raise PonderError(f"{self.name}: none of its {len(self._tasks)} tasks falls into the {split} split")
        order = random.Random(f"{self.name}/{split}/{seed}").sample(places, len(places))
        place = order[index % len(order)]
        system, history, text = _asked(self._tasks[place].data)
        question = Question(f"{self.name}-{place}", self.name, text, system, history=history)
        return Problem(question, Key(None, {"task": place, "taskset": list(self._source)}))

    def grade(self, problem: Problem, response: str) -> Verdict:
        """What the task's own rewards say of the answer behind the thinking."""
        if self.environment is not None:
            return Verdict(failure="unsupported", detail=f"{self.name} is played: set environment.kind=verifiers")
        answer = final_answer(response)
        if answer is None:
            return Verdict(outcome=0.0, detail="no answer after the thinking")
        task = self.task(problem)
        thinking = response.rpartition(THINK_CLOSE)[0].replace(THINK_OPEN, "").strip() or None
        said = self._vf.AssistantMessage(content=answer, reasoning_content=thinking)
        trace = self.trace(task, (said,), done=True)
        paid = _finished(self.paid(task, trace))
        if not paid:
            return Verdict(failure="unsupported", detail=f"{self.name}: no reward could be worked out for a text")
        return Verdict(outcome=float(sum(paid.values()) >= self._least), extracted=answer, detail=f"rewards {paid}")

    def task(self, problem: Problem) -> Any:
        """The task of a problem, as the package has it."""
        return self._tasks[problem.key.data["task"]]

    def near_misses(self, problem: Problem) -> list[str]:
        return ["", f"{THINK_OPEN}\nnothing yet"]

    def trace(self, task: Any, said: Sequence[Any], *, done: bool = False) -> Any:
        """What the package records of an episode: the task's messages, and `said` of the policy after them."""
        vf, data = self._vf, task.data
        before = [vf.SystemMessage(content=data.system_prompt)] if data.system_prompt else []
        asked = [vf.UserMessage(content=data.prompt)] if isinstance(data.prompt, str) else list(data.prompt or [])
        told = vf.TraceTask(type=type(task).__name__, data=data)
        agent = importlib.import_module("verifiers.v1.trace").AgentInfo(config=vf.AgentConfig())
        trace = vf.Trace(task=told, agent=agent, nodes=[], is_completed=done, ok=done)
        for message in (*before, *asked, *said):
            self._add(trace, message, sampled=message in said)
        return trace

    def say(self, trace: Any, text: str) -> None:
        """Record what an environment said to the policy."""
        self._add(trace, self._vf.UserMessage(content=text), sampled=False)

    def segment(self, trace: Any, said: str | None) -> Any:
        """A turn of the policy as the package hands it to an environment; None: there are no more turns."""
        kind = importlib.import_module("verifiers.v1.agent").Segment
        if said is None:
            return kind(messages=[], terminated=True)
        message = self._vf.AssistantMessage(content=said)
        self._add(trace, message, sampled=True)
        return kind(messages=[message])

    async def paid(self, task: Any, trace: Any) -> dict[str, float]:
        """The rewards of a finished episode by name: those that were recorded while it was played, else the task's."""
        if not trace.rewards:
            await task.score(trace)
        return {name: reward.value for name, reward in trace.rewards.items() if reward is not None}

    def _add(self, trace: Any, message: Any, *, sampled: bool) -> None:
        node = importlib.import_module("verifiers.v1.graph").MessageNode
        parent = len(trace.nodes) - 1 if trace.nodes else None
        trace.nodes.append(node(parent=parent, message=message, sampled=sampled))


def _environment(kind: Any, config: Any) -> Any:
    """The environment of a taskset that brings its own."""
    types = importlib.import_module("verifiers.v1.utils.generic")
    base = importlib.import_module("verifiers.v1.configs.env").EnvConfig
    settings = types.concrete_type(kind, base, origin=importlib.import_module("verifiers.v1.env").Env) or base
    return kind(settings(taskset=config))


def _agents(config: Any) -> dict[str, Any]:
    """The agents that the settings of an environment name."""
    found: dict[str, Any] = importlib.import_module("verifiers.v1.configs.env").agent_config_fields(config)
    return found


def playing(problem: Problem) -> tuple[Verifiers, Any]:
    """The family and the task of a problem that the environment `verifiers` is to play. Raises PonderError."""
    source = problem.key.data.get("taskset")
    family = None if source is None else LOADED.get((source[0], source[1]))
    if family is None or family.environment is None:
        raise PonderError(
            f"environment verifiers: problem {problem.id} of {problem.family} is of no taskset that plays turns; use "
            "verifiers:TASKSET with such a one, or the environment single_turn"
        )
    return family, family.task(problem)


def _asked(data: Any) -> tuple[str, tuple[tuple[str, str], ...], str]:
    """System message, earlier turns and the question of a task."""
    if isinstance(data.prompt, str):
        return data.system_prompt or "", (), data.prompt
    turns = [(message.role, _text(message.content)) for message in data.prompt or []]
    if not turns or turns[-1][0] != "user":
        raise PonderError(f"task {data.idx} of the taskset does not end with a question of the user")
    return data.system_prompt or "", tuple(turns[:-1]), turns[-1][1]


def _text(content: Any) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    parts = [getattr(part, "text", None) for part in content]
    if None in parts:
        raise PonderError("a task of the taskset shows a picture, and questions here are texts")
    return "\n".join(str(part) for part in parts)


def _finished(work: Coroutine[Any, Any, dict[str, float]]) -> dict[str, float]:
    """Run `work` to its end, also where an event loop is running in this thread."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    with ThreadPoolExecutor(1) as other:
        return other.submit(asyncio.run, work).result()
