"""Tasks of the package `verifiers` (0.4 and later) as problems: `verifiers:TASKSET`, an installed taskset's id.

The prompt of a task is the question, and its own rewards grade the answer: the task is handed a trace with the prompt
and the answer (thinking apart, as servers give it), and is right if the rewards sum up to `least`. Tasks that need more
than a text and an answer are refused by name: an environment that plays several turns itself, tools, a container.
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
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

from ponder.problems.splits import SPLITS, check_split, split_of
from ponder.thinking import THINK_CLOSE, THINK_OPEN, final_answer
from ponder.types import Key, PonderError, Problem, Question, Verdict


class Verifiers:
    """Tasks of a taskset of the package verifiers, graded by its own rewards."""

    level = 0

    def __init__(self, target: str, *, least: float = 1.0, limit: int = 10_000, settings: str = "") -> None:
        self.name, self._least = f"verifiers:{target}", least
        if importlib.util.find_spec("verifiers") is None:
            raise PonderError(
                f"{self.name} needs the package verifiers; install it with: pip install -e '.[verifiers]'"
            )
        try:
            self._vf: Any = importlib.import_module("verifiers.v1")
            chosen = json.loads(Path(settings).read_text(encoding="utf-8")) if settings else {}
            several = self._vf.environment_class(target) is not self._vf.SingleAgentEnv
            taskset = self._vf.load_taskset(self._vf.taskset_config_type(target)(id=target, **chosen))
            self._tasks: list[Any] = list(islice(taskset, limit))
        except Exception as error:  # whatever the package raises: no such taskset, a missing package, no network
            raise PonderError(f"cannot load {self.name}: {type(error).__name__}: {error}") from error
        if several:
            raise PonderError(f"{self.name} plays several turns by code of its own, which is not run here")
        if not self._tasks:
            raise PonderError(f"{self.name} holds no task")
        self._refuse(self._tasks[0])
        self._places: dict[str, list[int]] = {split: [] for split in SPLITS}
        for place, task in enumerate(self._tasks):
            self._places[split_of(task.data.prompt_text)].append(place)

    def _refuse(self, task: Any) -> None:
        if task.NEEDS_CONTAINER or task.data.image:
            raise PonderError(f"{self.name}: its tasks need a container, and answers here are texts")
        if type(task).toolsets(task.config):
            raise PonderError(f"{self.name}: its tasks bring tools of their own, which are not passed on to a policy")

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
        return Problem(question, Key(None, {"task": place}))

    def grade(self, problem: Problem, response: str) -> Verdict:
        """What the task's own rewards say of the answer behind the thinking."""
        answer = final_answer(response)
        if answer is None:
            return Verdict(outcome=0.0, detail="no answer after the thinking")
        task = self._tasks[problem.key.data["task"]]
        trace = self._trace(task, response, answer)
        _finished(task.score(trace))
        paid = {name: reward.value for name, reward in trace.rewards.items() if reward is not None}
        if not paid:
            return Verdict(failure="unsupported", detail=f"{self.name}: no reward could be worked out for a text")
        return Verdict(outcome=float(sum(paid.values()) >= self._least), extracted=answer, detail=f"rewards {paid}")

    def near_misses(self, problem: Problem) -> list[str]:
        return ["", f"{THINK_OPEN}\nnothing yet"]

    def _trace(self, task: Any, response: str, answer: str) -> Any:
        vf = self._vf
        thinking = response.rpartition(THINK_CLOSE)[0].replace(THINK_OPEN, "").strip() or None
        data = task.data
        before = [vf.SystemMessage(content=data.system_prompt)] if data.system_prompt else []
        asked = [vf.UserMessage(content=data.prompt)] if isinstance(data.prompt, str) else list(data.prompt or [])
        said = vf.AssistantMessage(content=answer, reasoning_content=thinking)
        messages = [*before, *asked, said]
        node = importlib.import_module("verifiers.v1.graph").MessageNode
        nodes = [
            node(parent=place - 1 if place else None, message=message, sampled=message is said)
            for place, message in enumerate(messages)
        ]
        told = vf.TraceTask(type=type(task).__name__, data=data)
        agent = importlib.import_module("verifiers.v1.trace").AgentInfo(config=vf.AgentConfig())
        return vf.Trace(task=told, agent=agent, nodes=nodes, is_completed=True, ok=True)


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


def _finished(work: Coroutine[Any, Any, Any]) -> None:
    """Run `work` to its end, also where an event loop is running in this thread."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        asyncio.run(work)
        return
    with ThreadPoolExecutor(1) as other:
        other.submit(asyncio.run, work).result()
