"""Answers bounded by a schema: whatever the model, the answer matches; its thinking and other requests stay free."""

from __future__ import annotations

import asyncio
import copy
import json
import math
from typing import Any

import numpy as np
import pytest
import torch
from jsonschema import Draft202012Validator

from ponder.api.policies import Policy, load_policy
from ponder.engines.local import sampling
from ponder.policy.grammar import Grammar, Vocabulary, call_rules, json_rules
from ponder.policy.native.formats import ToolFormat
from ponder.policy.propose import PolicyPropose
from ponder.protocols import Completion, Request
from ponder.thinking import THINK_CLOSE, final_answer
from ponder.types import PonderError, Question, StopReason, Trajectory

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "sum": {"type": "integer", "minimum": 0, "maximum": 99},
        "kind": {"enum": ["odd", "even"]},
        "steps": {"$ref": "#/$defs/short"},
    },
    "required": ["sum", "kind", "steps"],
    "additionalProperties": False,
    "$defs": {"short": {"type": "array", "items": {"type": "boolean"}, "maxItems": 2}},
}
QUESTION = Question("q", "", "Make 18 from 3, 6, 1.")


@pytest.fixture(scope="module")
def policy() -> Policy:
    return load_policy("tiny")


@pytest.fixture(scope="module")
def bounded(policy: Policy) -> PolicyPropose:
    made = copy.copy(policy.propose)
    made.grammar = Grammar(Vocabulary(policy.codec), json_rules(SCHEMA), policy.propose.frame.close)
    return made


def drawn(propose: PolicyPropose, until: Any = "end", n: int = 6, tokens: int = 400) -> list[Trajectory]:
    leaves = asyncio.run(propose(QUESTION, None, n, until=until, max_tokens=tokens, seed=1))
    return [Trajectory(QUESTION, leaf) for leaf in leaves]


@pytest.mark.parametrize(("until", "temperature"), [("end", 1.0), ("answer", 0.0), ("answer", 3.0)])
def test_every_answer_matches_the_schema(bounded: PolicyPropose, until: str, temperature: float):
    propose = copy.copy(bounded)
    propose.temperature = temperature
    ended = [t for t in drawn(propose, until) if t.stop is StopReason.END]
    assert ended
    for trajectory in ended:
        assert not list(Draft202012Validator(SCHEMA).iter_errors(json.loads(final_answer(trajectory.text) or "")))


def test_the_thinking_is_the_one_that_would_have_been_without_a_schema(policy: Policy, bounded: PolicyPropose):
    free, tied = (
        [t.text.split(THINK_CLOSE)[0] for t in drawn(propose) if THINK_CLOSE in t.text]
        for propose in (policy.propose, bounded)
    )
    assert free == tied and len(free) > 2


def test_others_in_the_batch_are_not_bounded_and_their_draws_stay_the_same(policy: Policy, bounded: PolicyPropose):
    async def together() -> list[Any]:
        asks = (
            propose(QUESTION, None, 4, until="end", max_tokens=200, seed=1) for propose in (policy.propose, bounded)
        )
        return list(await asyncio.gather(*asks))

    alone = [drawn(propose, n=4, tokens=200) for propose in (policy.propose, bounded)]
    mixed = [[Trajectory(QUESTION, leaf) for leaf in leaves] for leaves in asyncio.run(together())]
    assert [[t.tokens for t in side] for side in mixed] == [[t.tokens for t in side] for side in alone]


def test_an_answer_drawn_in_parts_goes_on_where_it_stands(bounded: PolicyPropose):
    """A leaf that was cut in the middle of its JSON is continued, as step-wise searches do."""

    async def parts() -> Trajectory:
        leaf = None
        for seed in range(60):
            (leaf,) = await bounded(QUESTION, leaf, 1, until="answer", max_tokens=12, seed=seed)
            if leaf.stop is StopReason.END:
                break
        assert leaf is not None
        return Trajectory(QUESTION, leaf)

    text = final_answer(asyncio.run(parts()).text) or ""
    assert not list(Draft202012Validator(SCHEMA).iter_errors(json.loads(text)))


def test_a_log_probability_is_that_among_the_allowed_tokens(policy: Policy):
    """After `{` only the name of the first property may follow: its tokens are certain."""
    grammar = Grammar(Vocabulary(policy.codec), json_rules(SCHEMA), "")
    said = policy.codec.encode('{"')
    request = Request(policy.codec.encode("1+2"), 3, 0, walk=lambda: grammar.walk(said))
    found: Completion = asyncio.run(policy.engine.generate(request))
    assert policy.codec.decode(found.tokens) == "sum"
    assert all(math.isclose(logprob, 0.0, abs_tol=1e-5) for logprob in found.logprobs)


def test_a_walk_that_left_the_schema_bounds_nothing(policy: Policy):
    grammar = Grammar(Vocabulary(policy.codec), json_rules(SCHEMA), THINK_CLOSE)
    walk = grammar.walk(policy.codec.encode(f"1+2\n{THINK_CLOSE}no"))
    assert walk.allowed() is None
    inside = grammar.walk(policy.codec.encode(f"1+2\n{THINK_CLOSE}"))
    allowed = inside.allowed()
    assert allowed is not None and set(allowed.nonzero()[0]) == set(policy.codec.encode("{ \n"))
    assert grammar.walk(policy.codec.encode('{"a')).allowed() is None  # still thinking


def test_a_schema_that_cannot_be_compiled_is_an_error(policy: Policy):
    with pytest.raises(PonderError, match="compiled"):
        Grammar(Vocabulary(policy.codec), json_rules({"$ref": "#/$defs/none"}), THINK_CLOSE)


def test_shared_rows_of_logits_are_bounded_for_one_request_alone():
    class First:
        def allowed(self) -> Any:
            return torch.tensor([True, False]).numpy()

        def take(self, token: int) -> None: ...

    logits = torch.tensor([[1.0, 2.0, 3.0]])
    wide, rows = sampling.bounded(logits, np.array([0, 0]), [None, First()])
    assert rows.tolist() == [0, 1] and wide[0].tolist() == [1.0, 2.0, 3.0]
    assert wide[1].tolist() == [1.0, -math.inf, -math.inf]


@pytest.mark.parametrize("kind", ["hermes", "llama"])
def test_a_call_is_one_of_the_tools_in_the_models_own_format(policy: Policy, kind: Any):
    tools: list[tuple[str, dict[str, Any]]] = [
        ("add", {"properties": {"x": {"enum": [1, 2]}}, "required": ["x"]}),
        ("now", {"additionalProperties": False}),
    ]
    propose = copy.copy(policy.propose)
    propose.grammar = Grammar(Vocabulary(policy.codec), call_rules(tools, kind), policy.propose.frame.close)
    said = [ToolFormat(kind).parse(t.text) for t in drawn(propose, "answer", tokens=150) if t.stop is StopReason.END]
    assert said
    for turn in said:
        (call,) = turn.calls
        assert not call.broken and not turn.content
        assert (call.name == "add" and call.arguments["x"] in (1, 2)) or (call.name == "now" and call.arguments == {})
