"""Drawing with tools on a scripted engine: exact tokens, what is learned from, budgets, searches, typed failures.

2+2 is <calc>2+2</calc> | <result>4</result> | NL </think> 4 EOS
1                       | 0                  | 1
"""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Sequence
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ponder.engines.scripted import Script, ScriptedEngine
from ponder.learning.samples import mask
from ponder.models.load import load
from ponder.policy.codec import Codec
from ponder.policy.propose import PolicyPropose
from ponder.rollout.collect import collect
from ponder.search.registry import make
from ponder.search.session.budget import Budget
from ponder.thinking import final_answer
from ponder.tools import Calculator, Tool, Toolbox
from ponder.types import Key, Problem, Question, StopReason, Trajectory, Verdict
from ponder.verifiers.votes import canonical_answer

CODEC = Codec(load("tiny").tokenizer)
QUESTION = Question("q", "toy", "Compute 2+2.")
START = "Compute 2+2.<assistant><think>\n"
SCRIPT: Script = {
    START: [("2+2 is <calc>2+2</calc>", 0.5), ("I guess.\n</think>5", 0.5)],
    "<result>4</result>": [("\n</think>4", 0.5), (" twice: <calc>4*2</calc>", 0.5)],
    "<result>8</result>": [("\n</think>8", 1.0)],
    "": [("\n</think>0", 1.0)],
}


class Broken(Tool):
    """Never works."""

    kind: Literal["calc"] = "calc"

    async def run(self, argument: str, earlier: Sequence[str]) -> str:
        raise OSError("out of order")


def policy(script: Script = SCRIPT, tool: Tool | None = None, **limits: Any) -> PolicyPropose:
    engine = ScriptedEngine(CODEC, script)
    return PolicyPropose(engine, CODEC, canonical_answer, tools=Toolbox([tool or Calculator()], **limits))


def drawn(propose: PolicyPropose, n: int = 1, max_tokens: int = 200, seed: int = 0) -> list[Trajectory]:
    leaves = asyncio.run(propose(QUESTION, None, n, until="end", max_tokens=max_tokens, seed=seed))
    return [Trajectory(QUESTION, leaf) for leaf in leaves]


ALWAYS: Script = {START: [("2+2 is <calc>2+2</calc>", 1.0)], "<result>4</result>": [("\n</think>4", 1.0)]}


def test_the_result_stands_behind_the_call_and_is_not_learned_from() -> None:
    (one,) = drawn(policy(ALWAYS))
    assert one.text == "2+2 is <calc>2+2</calc><result>4</result>\n</think>4"
    assert one.finished and one.response == one.text and one.last_turn == 0
    read = "".join(CODEC.decode([t]) for t, m in zip(one.tokens, mask(one), strict=True) if m == 0.0)
    assert read == "<result>4</result>"


def test_what_was_sampled_is_what_the_engine_reads_next() -> None:
    propose = policy(ALWAYS)
    (one,) = drawn(propose)
    engine = propose.engine
    assert isinstance(engine, ScriptedEngine)
    first, second = engine.calls
    assert second.prompt == first.prompt + one.tokens[: len(second.prompt) - len(first.prompt)]
    assert second.max_tokens == first.max_tokens - (len(second.prompt) - len(first.prompt))


def test_a_call_behind_the_thinking_is_part_of_the_answer() -> None:
    (one,) = drawn(policy({START: [("\n</think><calc>2+2</calc>", 1.0)], "": [("!", 1.0)]}))
    assert "<result>" not in one.text


@settings(max_examples=60, deadline=None)
@given(max_tokens=st.integers(1, 90), seed=st.integers(0, 50))
def test_no_continuation_costs_more_than_it_may(max_tokens: int, seed: int) -> None:
    for one in drawn(policy(), n=3, max_tokens=max_tokens, seed=seed):
        assert len(one) <= max_tokens
        assert one.finished or one.stop is StopReason.LENGTH


@pytest.mark.parametrize("name", ["vote", "sample", "chain"])
@pytest.mark.parametrize("budget", [90, 200, 512])
def test_searches_pay_for_what_is_read(name: str, budget: int) -> None:
    strategy = make(name, max_tokens=80)
    result = asyncio.run(strategy(QUESTION, policy(), None, Budget(budget), seed=1))
    assert result.usage.kept + result.usage.discarded + result.usage.verifier == result.usage.spent <= budget


def grade(problems: Sequence[Problem], responses: Sequence[str]) -> list[Verdict]:
    return [Verdict(outcome=float(final_answer(r) == p.key.answer)) for p, r in zip(problems, responses, strict=True)]


def test_a_broken_tool_is_a_typed_failure_and_no_wrong_answer() -> None:
    problem = Problem(QUESTION, Key("4"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        some = collect([problem], policy(tool=Broken()), grade, group_size=24, max_tokens=200, seed=3)
        (group,) = asyncio.run(some)
    failures = [v.failure for v in group.verdicts]
    assert "tool" in failures and None in failures  # those that only guessed were graded
    assert all(v.outcome is None for v in group.verdicts if v.failure)


def test_the_same_seed_gives_the_same_thoughts() -> None:
    assert [t.tokens for t in drawn(policy(), 8)] == [t.tokens for t in drawn(policy(), 8)]
