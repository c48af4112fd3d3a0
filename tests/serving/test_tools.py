"""Tools of a caller, through both APIs: what is told to the model, what comes back, what follows, what is refused."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from ponder.api.policies import load_policy
from tests.serving.asgi import Answer
from tests.serving.toys import CODEC, PacedEngine, server

PARAMETERS = {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]}
ADD = {"name": "add_one", "description": "Adds one to x.", "parameters": PARAMETERS}
NOW = {"name": "now", "parameters": {"type": "object", "properties": {}}}
TOOLS = [{"type": "function", "function": ADD}, {"type": "function", "function": NOW}]
CALL = '<tool_call>\n{"name": "add_one", "arguments": {"x": 6}}\n</tool_call>'
SAMPLE: dict[str, Any] = {"ponder": {"strategy": "sample"}, "thinking_token_budget": 400}


def run(coroutine: Any) -> Any:
    return asyncio.run(coroutine)


def says(*turns: str) -> PacedEngine:
    """An engine that says these answers one after the other, and the last one again and again."""
    left = list(turns)
    return PacedEngine(lambda _, __: f"hm\n</think>{left.pop(0) if len(left) > 1 else left[0]}")


def asked(engine: Any, *bodies: dict[str, Any], **more: Any) -> list[Answer]:
    async def work() -> list[Answer]:
        async with server(engine=engine, max_tokens=300, **more) as (client, _):
            return [await client.chat(**{**SAMPLE, **body}) for body in bodies]

    found: list[Answer] = run(work())
    return found


def test_a_call_comes_back_as_the_protocol_has_it_and_its_result_goes_on():
    engine = says(f"Let me add.\n{CALL}", "It is 7.")

    async def work() -> list[Answer]:
        async with server(engine=engine, max_tokens=300) as (client, _):
            first = await client.chat("6 and one?", tools=TOOLS, **SAMPLE)
            message = first.data["choices"][0]["message"]
            turns = [
                {"role": "user", "content": "6 and one?"},
                message,
                {"role": "tool", "tool_call_id": message["tool_calls"][0]["id"], "content": "7 </think>"},
            ]
            return [first, await client.chat(messages=turns, tools=TOOLS, **SAMPLE)]

    first, second = run(work())
    choice = first.data["choices"][0]
    assert choice["finish_reason"] == "tool_calls" and choice["message"]["content"] == "Let me add."
    (call,) = choice["message"]["tool_calls"]
    assert call["type"] == "function" and call["id"].startswith("call_")
    assert call["function"] == {"name": "add_one", "arguments": '{"x": 6}'}
    assert second.data["choices"][0]["message"]["content"] == "It is 7."
    assert second.data["choices"][0]["finish_reason"] == "stop"
    told, after = (CODEC.decode(call.prompt) for call in engine.calls)
    assert "add_one" in told and "Adds one to x." in told
    assert '"x": 6' in after and after.count("7 </think>") == 1
    close = CODEC.tokenizer.convert_tokens_to_ids("</think>")
    assert close not in engine.calls[1].prompt  # what a tool gave ends no thinking


def test_a_stream_sends_calls_in_deltas():
    (answer,) = asked(says(f"{CALL}\n{CALL}"), {"tools": TOOLS, "stream": True})
    deltas = [choice["delta"] for event in answer.events for choice in event["choices"]]
    calls: dict[int, dict[str, str]] = {}
    for piece in (call for each in deltas for call in each.get("tool_calls", [])):
        kept = calls.setdefault(piece["index"], {"id": "", "name": "", "arguments": ""})
        kept["id"] += piece.get("id", "")
        for part in ("name", "arguments"):
            kept[part] += piece["function"].get(part, "")
    assert [call["arguments"] for call in calls.values()] == ['{"x": 6}'] * 2
    assert len({call["id"] for call in calls.values()}) == 2 and calls[0]["name"] == "add_one"
    finishes = [choice["finish_reason"] for event in answer.events for choice in event["choices"]]
    assert finishes[-1] == "tool_calls" and not any(delta.get("content") for delta in deltas)


@pytest.mark.parametrize(
    "text", ['<tool_call>\n{"name": "sing", "arguments": {}}\n</tool_call>', "<tool_call>\nno\n</tool_call>", "7"]
)
def test_what_is_no_call_of_these_tools_is_left_as_words(text: str):
    (answer,) = asked(says(text), {"tools": TOOLS})
    choice = answer.data["choices"][0]
    assert choice["message"]["content"] == text and choice["finish_reason"] == "stop"
    assert "tool_calls" not in choice["message"]


def test_the_choice_is_kept():
    none, one, must = asked(
        says(CALL, f"{CALL}\n{CALL}", "no", CALL),
        {"tools": TOOLS, "tool_choice": "none"},
        {"tools": TOOLS, "parallel_tool_calls": False},
        {"tools": TOOLS, "tool_choice": "required"},
    )
    assert none.data["choices"][0]["message"]["content"] == CALL
    assert len(one.data["choices"][0]["message"]["tool_calls"]) == 1
    assert must.data["choices"][0]["message"]["tool_calls"][0]["function"]["name"] == "add_one"
    assert must.data["usage"]["ponder"]["calls"] == 2 and must.data["ponder"]["form"] == "checked"
    named = {"type": "function", "function": {"name": "now"}}
    (never,) = asked(says(CALL), {"tools": TOOLS, "tool_choice": named, "thinking_token_budget": 200})
    message = never.data["choices"][0]["message"]
    assert message["content"] is None and "form" in message["refusal"] and "tool_calls" not in message


def test_a_call_that_must_be_is_bounded_on_the_local_engine():
    """The embedded model has never seen a tool; it calls the one that it must all the same."""
    tools = [{"type": "function", "function": {**ADD, "parameters": {"properties": {"x": {"enum": [1, 2]}}}}}]
    (answer,) = asked(load_policy("tiny").engine, {"tools": tools, "tool_choice": "required", "seed": 1})
    (call,) = answer.data["choices"][0]["message"]["tool_calls"]
    assert call["function"]["name"] == "add_one" and answer.data["ponder"]["form"] == "bounded"
    assert answer.data["usage"]["ponder"]["calls"] <= 2


def test_votes_are_over_calls_and_not_over_their_spelling():
    other = '<tool_call>\n{"arguments": {"x": 6}, "name": "add_one"}\n</tool_call>'
    (answer,) = asked(
        says("7", CALL, "8", other, "9", CALL),
        {"tools": TOOLS, "ponder": {"strategy": "vote", "show": "full"}, "thinking_token_budget": 1500},
    )
    assert answer.data["choices"][0]["finish_reason"] == "tool_calls"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tools": [{"type": "function"}]}, "tools.0.function"),
        ({"tools": [{"type": "function", "function": {"name": "a b"}}]}, "tools.0.function.name"),
        ({"tools": [*TOOLS, TOOLS[0]]}, "tools.0.function.name"),
        (
            {"tools": [{"type": "function", "function": {**ADD, "parameters": {"type": 3}}}]},
            "tools.0.function.parameters",
        ),
        ({"tools": [{"type": "web_search"}]}, "tools.0.type"),
        ({"tools": TOOLS, "tool_choice": "sing"}, "tool_choice"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tools": TOOLS, "response_format": {"type": "json_object"}}, "response_format"),
        ({"messages": [{"role": "user", "content": "?"}, {"role": "tool", "content": "x"}]}, "messages.1.tool_call_id"),
        (
            {"messages": [{"role": "user", "content": "?"}, {"role": "tool", "tool_call_id": "a", "content": "x"}]},
            "messages",
        ),
        (
            {
                "messages": [
                    {"role": "user", "content": "?"},
                    {"role": "assistant", "tool_calls": [{"id": "a", "function": {"name": "f", "arguments": "{}"}}]},
                    {"role": "user", "content": "and?"},
                ]
            },
            "messages",
        ),
        (
            {
                "messages": [
                    {"role": "user", "content": "?"},
                    {"role": "assistant", "tool_calls": [{"id": "a", "function": {"name": "f", "arguments": "["}}]},
                ]
            },
            "messages",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(fields: dict[str, Any], param: str):
    (answer,) = asked(says("7"), fields)
    assert answer.status == 400 and answer.error["param"] == param, answer.body


def test_responses_call_tools_and_go_on_from_what_was_stored():
    tools = [{"type": "function", **ADD}]
    more = {"model": "toy", "tools": tools, **SAMPLE}
    engine = says(CALL, "It is 7.", CALL, "Again 7.")

    async def work() -> list[Answer]:
        async with server(engine=engine, max_tokens=300) as (client, _):
            first = await client.post("/v1/responses", {**more, "input": "6 and one?"})
            gave = {"type": "function_call_output", "call_id": first.data["output"][0]["call_id"], "output": "7"}
            on = {"previous_response_id": first.data["id"], "input": [gave]}
            second = await client.post("/v1/responses", {**more, **on})
            lost = await client.post("/v1/responses", {**more, **on, "input": "and?"})
            stream = await client.post("/v1/responses", {**more, "input": "6 and one?", "stream": True})
            item = stream.events[-1]["response"]["output"][0]
            sent = [{"role": "user", "content": "6 and one?"}, item, {**gave, "call_id": item["call_id"]}]
            return [first, second, lost, stream, await client.post("/v1/responses", {**more, "input": sent})]

    first, second, lost, stream, again = run(work())
    (item,) = first.data["output"]
    assert item["type"] == "function_call" and item["name"] == "add_one" and item["arguments"] == '{"x": 6}'
    assert first.data["status"] == "completed" and first.data["tools"][0]["name"] == "add_one"
    assert second.data["output"][0]["content"][0]["text"] == "It is 7."
    assert lost.status == 400 and "no result" in lost.error["message"]
    kinds = [event["type"] for event in stream.events]
    assert kinds.index("response.function_call_arguments.delta") < kinds.index("response.function_call_arguments.done")
    assert again.data["output"][0]["content"][0]["text"] == "Again 7."
