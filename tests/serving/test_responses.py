"""The responses API: objects, events in order, summaries of the search, stored conversations."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.serving.asgi import Answer, Client
from tests.serving.toys import CODEC, PacedEngine, says, server


def run(coroutine: Any) -> Any:
    return asyncio.run(coroutine)


async def respond(client: Client, words: Any = "What?", **more: Any) -> Answer:
    return await client.post("/v1/responses", {"model": "toy", "input": words, **more})


def test_a_response_has_the_fields_that_clients_require():
    async def asked() -> Answer:
        async with server() as (client, _):
            return await respond(client, reasoning={"effort": "low", "summary": "auto"}, instructions="Be brief.")

    data = run(asked()).data
    assert data["status"] == "completed" and data["object"] == "response"
    reasoning, message = data["output"]
    assert reasoning["type"] == "reasoning" and reasoning["summary"][0]["type"] == "summary_text"
    assert "content" not in reasoning
    assert message["content"][0] == {"type": "output_text", "text": "7", "annotations": [], "logprobs": []}
    usage = data["usage"]
    assert usage["output_tokens"] == usage["ponder"]["spent"] <= 80
    assert usage["output_tokens_details"]["reasoning_tokens"] < usage["output_tokens"]
    assert set(usage["input_tokens_details"]) == {"cached_tokens", "cache_write_tokens"}


def test_the_thinking_is_hidden_unless_it_is_asked_for():
    async def asked() -> list[Answer]:
        async with server() as (client, _):
            return [await respond(client), await respond(client, reasoning={"exclude": False})]

    hidden, full = (answer.data["output"] for answer in run(asked()))
    assert [item["type"] for item in hidden] == ["message"]
    assert "1+2=3" in full[0]["content"][0]["text"]


def test_events_are_numbered_and_tell_the_progress_as_a_summary():
    async def asked() -> Answer:
        async with server(seconds=0.3) as (client, _):
            return await respond(client, stream=True, reasoning={"effort": "medium", "summary": "detailed"})

    answer = run(asked())
    events = answer.events
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    types = [event["type"] for event in events]
    assert types[:3] == ["response.created", "response.in_progress", "response.output_item.added"]
    assert types[-1] == "response.completed"
    parts = [e for e in events if e["type"] == "response.reasoning_summary_text.done"]
    assert len(parts) >= 2 and [part["summary_index"] for part in parts] == list(range(len(parts)))
    deltas = "".join(e["delta"] for e in events if e["type"] == "response.output_text.delta")
    final = events[-1]["response"]
    assert deltas == final["output"][1]["content"][0]["text"] == "7"
    assert [part["text"] for part in parts] == [part["text"] for part in final["output"][0]["summary"]]
    lines = answer.body.decode().split("\n")
    names = [line.removeprefix("event: ") for line in lines if line.startswith("event: ")]
    assert names == types


def test_a_conversation_goes_on_from_a_stored_response_of_the_same_key():
    engine = PacedEngine(says)

    async def asked() -> list[Answer]:
        async with server(engine=engine) as (client, _):
            first = await respond(client, "My first words")
            id = first.data["id"]
            second = await respond(client, "And my second", previous_response_id=id)
            unsaved = await respond(client, "x", store=False)
            return [
                second,
                await client.get(f"/v1/responses/{id}"),
                await client.ask("DELETE", f"/v1/responses/{id}", None),
                await client.get(f"/v1/responses/{id}"),
                await client.get(f"/v1/responses/{unsaved.data['id']}"),
                await respond(client, "x", previous_response_id=id),
            ]

    second, stored, deleted, gone, never, lost = run(asked())
    assert second.status == 200 and stored.data["object"] == "response" and deleted.data["deleted"] is True
    assert (gone.status, never.status, lost.status) == (404, 404, 404)
    assert lost.error["param"] == "previous_response_id"
    prompts = [CODEC.decode(call.prompt) for call in engine.calls]
    assert any("My first words" in prompt and "And my second" in prompt for prompt in prompts)


def test_an_error_in_a_stream_is_an_event_and_the_end_of_it():
    async def asked() -> tuple[Answer, Answer]:
        async with server(faults={0: RuntimeError("inner"), 1: RuntimeError("inner")}) as (client, _):
            fields: dict[str, Any] = {"ponder": {"strategy": "sample"}}
            return await respond(client, stream=True, **fields), await respond(client, **fields)

    stream, plain = run(asked())
    assert [event["type"] for event in stream.events][-2:] == ["error", "response.failed"]
    assert plain.status == 500 and b"inner" not in stream.body + plain.body


def test_what_is_not_done_is_refused_by_name():
    async def asked() -> list[Answer]:
        async with server() as (client, _):
            fields: list[dict[str, Any]] = [
                {"tools": [{"type": "web_search", "name": "x"}]},
                {"background": True},
                {"include": ["reasoning.encrypted_content"]},
                {"reasoning": {"effort": "low", "context": "auto"}},
                {"n": 2},
            ]
            return [await respond(client, **more) for more in fields]

    answers = run(asked())
    assert [a.status for a in answers] == [400] * 5
    assert [a.error["param"] for a in answers] == ["tools.0.type", "background", "include", "reasoning.context", "n"]


def test_cut_answers_are_incomplete():
    async def asked() -> Answer:
        async with server() as (client, _):
            return await respond(client, max_output_tokens=2, text={"format": {"type": "text"}})

    data = run(asked()).data
    assert data["status"] == "incomplete" and data["incomplete_details"] == {"reason": "max_output_tokens"}
    assert data["usage"]["output_tokens"] <= 2
