"""Hostile tools: whatever one of them does costs its own answer, as the typed failure `tool`, and the others go on.

What the caller did wrong is no failure: the policy reads a sentence and thinks on.
"""

from __future__ import annotations

import asyncio
import itertools
import re
import sys
import tracemalloc
import warnings
from collections.abc import Callable, Sequence
from typing import Any, Literal

import pytest

from ponder.engines.scripted import ScriptedEngine
from ponder.models.load import load
from ponder.policy.codec import Codec
from ponder.policy.propose import PolicyPropose
from ponder.protocols import ToolBroken
from ponder.rollout.collect import collect
from ponder.tools import Misused, PythonBox, Tool, Toolbox
from ponder.types import Key, Problem, Question, Trajectory, Verdict
from ponder.verifiers.votes import canonical_answer

CODEC = Codec(load("tiny").tokenizer)


class Deep(Exception):
    """An exception with a megabyte to say."""

    def __str__(self) -> str:
        return "x" * 10**6


def _raise(error: BaseException) -> Any:
    raise error


# What a tool does instead of an answer, and words of what is told of it.
BREAKS: dict[str, tuple[Callable[[], Any], str]] = {
    "exception": (lambda: _raise(OSError("the cable is out")), "OSError: the cable is out"),
    "flood": (lambda: _raise(Deep()), "Deep: xxx"),
    "memory": (lambda: _raise(MemoryError()), "MemoryError"),
    "number": (lambda: 7, "gave int instead of a text"),
    "bytes": (lambda: b"7", "gave bytes instead of a text"),
    "nothing": (lambda: None, "gave NoneType instead of a text"),
    "endless": (lambda: itertools.repeat("7"), "gave repeat instead of a text"),
    "exit": (lambda: sys.exit(3), "SystemExit: 3"),
    "cancelled": (lambda: _raise(asyncio.CancelledError()), "a task of its own was cancelled"),
    "reset": (lambda: _raise(RuntimeError("no box could be started")), "no box could be started"),
}


class Hostile(Tool):
    """Good to the argument `good`; else it does what the argument says."""

    kind: Literal["ask"] = "ask"

    async def run(self, argument: str, earlier: Sequence[str]) -> str:
        if argument == "silent":
            await asyncio.Event().wait()
        if argument == "line":
            return "7" * 10**7
        if argument == "misuse":
            raise Misused("y" * 10**7)
        return BREAKS[argument][0]() if argument in BREAKS else "4"


def played(*arguments: str) -> dict[str, tuple[Trajectory, Verdict]]:
    """Each question asks the tool for its own argument, then answers 4."""

    def script(prompt: str, rng: Any) -> str:
        question, _, thinking = prompt.rpartition("<think>")
        asked = re.findall(r"argument: ([a-z ]+)\.", question)[-1]
        return "\n</think>4" if "</result>" in thinking else f"<ask>{asked}</ask>"

    tools = Toolbox([Hostile(seconds=0.05)], characters=100)
    propose = PolicyPropose(ScriptedEngine(CODEC, script), CODEC, canonical_answer, tools=tools)
    problems = [Problem(Question(name, "toy", f"Ask with the argument: {name}."), Key("4")) for name in arguments]
    grade = lambda some, said: [Verdict(outcome=1.0) for _ in said]  # noqa: E731
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        groups = asyncio.run(collect(problems, propose, grade, group_size=1, max_tokens=300, seed=0))
    return {group.problem.id: (group.trajectories[0], group.verdicts[0]) for group in groups}


def test_each_broken_tool_is_a_failure_of_its_own_answer_and_the_others_go_on() -> None:
    found = played("good", *BREAKS, "silent", "misuse", "line", "good too")
    for name in ("good", "good too", "misuse", "line"):
        assert found[name][1].outcome == 1.0, name
    for name in (*BREAKS, "silent"):
        assert (found[name][1].outcome, found[name][1].failure) == (None, "tool"), name


@pytest.mark.parametrize("name", BREAKS)
def test_what_broke_is_told_in_a_short_sentence(name: str) -> None:
    with pytest.raises(ToolBroken) as told:
        asyncio.run(Toolbox([Hostile()]).reply(f"<ask>{name}</ask>"))
    assert BREAKS[name][1] in str(told.value) and len(str(told.value)) < 1000


@pytest.mark.parametrize("name", ["line", "misuse"])
def test_ten_megabytes_in_one_line_are_cut_before_a_tokenizer_sees_them(name: str) -> None:
    trajectory, verdict = played(name)[name]
    assert verdict.outcome == 1.0 and len(trajectory.text) < 400


def test_being_stopped_is_not_taken_for_a_fault_of_the_tool() -> None:
    async def stopped() -> None:
        asking = asyncio.ensure_future(Toolbox([Hostile(seconds=60.0)]).reply("<ask>silent</ask>"))
        await asyncio.sleep(0)
        asking.cancel()
        await asking

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(stopped())


def test_a_program_that_prints_without_end_costs_no_memory_here() -> None:
    box = PythonBox(seconds=1.0)
    try:
        tracemalloc.start()
        with pytest.raises(Misused):
            asyncio.run(box.run("while True: print('x' * 1000)", ()))
        assert tracemalloc.get_traced_memory()[1] < 64 * 2**20
    finally:
        tracemalloc.stop()
        box.close()
