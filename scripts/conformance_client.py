"""What the official `openai` client makes of a server: every helper of both APIs, plain, streamed and asynchronous.

Run by scripts/conformance.sh with the Python of an environment that has `openai` and nothing of Ponder.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from typing import Any

import openai
from pydantic import BaseModel

QUESTION = "Make 18 from 3, 6, 1."
MESSAGES: Any = [{"role": "user", "content": QUESTION}]
PASSED: list[str] = []


def check(name: str, holds: object) -> None:
    """Say what held; stop at what does not."""
    if not holds:
        sys.exit(f"openai {openai.__version__}: FAILED: {name}")
    PASSED.append(name)


class Answer(BaseModel):
    """A form that the embedded model does not write."""

    answer: int


def chat(client: Any) -> None:
    """Chat completions."""
    whole = client.chat.completions.create(model="tiny", messages=MESSAGES, reasoning_effort="low", seed=1)
    check("chat: content", whole.choices[0].message.content)
    check("chat: finish_reason", whole.choices[0].finish_reason == "stop")
    details = whole.usage.completion_tokens_details
    check("chat: reasoning_tokens", 0 < details.reasoning_tokens < whole.usage.completion_tokens <= 400)
    check("chat: our own part", whole.model_extra["ponder"]["budget"] == 400)
    again = client.chat.completions.create(model="tiny", messages=MESSAGES, reasoning_effort="low", seed=1)
    check("chat: the same seed", again.choices[0].message.content == whole.choices[0].message.content)
    shown = client.chat.completions.create(model="tiny", messages=MESSAGES, extra_body={"include_reasoning": True})
    check("chat: reasoning shown", shown.choices[0].message.model_extra["reasoning_content"])
    scored = client.chat.completions.create(model="tiny", messages=MESSAGES, logprobs=True, reasoning_effort="low")
    check("chat: logprobs", scored.choices[0].logprobs.content[0].logprob <= 0)
    several = client.chat.completions.create(model="tiny", messages=MESSAGES, n=3, reasoning_effort="medium")
    check("chat: n", [choice.index for choice in several.choices] == [0, 1, 2])
    short = client.chat.completions.create(model="tiny", messages=MESSAGES, max_completion_tokens=5)
    check("chat: max_completion_tokens", short.usage.completion_tokens <= 5)
    parsed = client.chat.completions.parse(
        model="tiny", messages=MESSAGES, response_format=Answer, reasoning_effort="minimal"
    )
    message = parsed.choices[0].message
    check("chat: parse", message.refusal if message.parsed is None else True)
    chunks = list(
        client.chat.completions.create(
            model="tiny", messages=MESSAGES, stream=True, stream_options={"include_usage": True}, reasoning_effort="low"
        )
    )
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    check("chat: stream", text and chunks[-1].usage.total_tokens > 0)
    with client.chat.completions.stream(model="tiny", messages=MESSAGES, reasoning_effort="low") as stream:
        types = {event.type for event in stream}
        final = stream.get_final_completion()
    check("chat: stream helper", "content.done" in types and final.choices[0].message.content)


def responses(client: Any) -> None:
    """The responses API."""
    whole = client.responses.create(model="tiny", input=QUESTION, reasoning={"effort": "low", "summary": "auto"})
    check("responses: output_text", whole.output_text and whole.status == "completed")
    check("responses: summary", whole.output[0].type == "reasoning" and whole.output[0].summary[0].text)
    check("responses: usage", whole.usage.output_tokens_details.reasoning_tokens < whole.usage.output_tokens <= 400)
    check("responses: retrieve", client.responses.retrieve(whole.id).id == whole.id)
    more = client.responses.create(
        model="tiny", input="Make 9 from 3, 6.", previous_response_id=whole.id, reasoning={"effort": "low"}
    )
    check("responses: previous_response_id", more.previous_response_id == whole.id)
    client.responses.delete(whole.id)
    fails("responses: delete", openai.NotFoundError, lambda: client.responses.retrieve(whole.id))
    events = list(client.responses.create(model="tiny", input=QUESTION, stream=True, reasoning={"effort": "low"}))
    check("responses: events", [event.sequence_number for event in events] == list(range(len(events))))
    with client.responses.stream(
        model="tiny", input=QUESTION, reasoning={"effort": "medium", "summary": "detailed"}
    ) as stream:
        types = [event.type for event in stream]
        final = stream.get_final_response()
    check("responses: stream helper", final.output_text and "response.reasoning_summary_text.delta" in types)


def fails(name: str, kind: type[Exception], call: Callable[[], Any]) -> None:
    """Check that a call raises what the client makes of the status."""
    try:
        call()
    except kind as error:
        check(name, str(error))
    else:
        check(name, False)


def tools(client: Any) -> None:
    """Calls of tools, and what follows them. The embedded model knows none, so it is made to call."""
    properties = {"x": {"type": "integer", "minimum": 0, "maximum": 9}}
    schema = {"type": "object", "properties": properties, "required": ["x"], "additionalProperties": False}
    function = {"name": "add_one", "description": "Adds one.", "parameters": schema, "strict": True}
    given: Any = {"tools": [{"type": "function", "function": function}], "tool_choice": "required"}
    given |= {"model": "tiny", "reasoning_effort": "low"}
    whole = client.chat.completions.create(messages=MESSAGES, **given)
    message = whole.choices[0].message
    check("tools: finish_reason", whole.choices[0].finish_reason == "tool_calls")
    (call,) = message.tool_calls
    check("tools: arguments", call.function.name == "add_one" and json.loads(call.function.arguments)["x"] in range(10))
    turns = [*MESSAGES, message, {"role": "tool", "tool_call_id": call.id, "content": "7"}]
    after = client.chat.completions.create(messages=turns, **{**given, "tool_choice": "none"})
    check("tools: result", after.choices[0].finish_reason == "stop")
    with client.chat.completions.stream(messages=MESSAGES, **given) as stream:
        types = {event.type for event in stream}
        final = stream.get_final_completion()
    check("tools: stream helper", "tool_calls.function.arguments.done" in types)
    check("tools: final", final.choices[0].message.tool_calls[0].function.parsed_arguments["x"] in range(10))
    asked: Any = {"model": "tiny", "tools": [{"type": "function", **function}], "reasoning": {"effort": "low"}}
    first = client.responses.create(input=QUESTION, tool_choice="required", **asked)
    (item,) = [item for item in first.output if item.type == "function_call"]
    check("tools: responses", item.name == "add_one" and item.call_id)
    gave: Any = [{"type": "function_call_output", "call_id": item.call_id, "output": "7"}]
    second = client.responses.create(input=gave, previous_response_id=first.id, tool_choice="none", **asked)
    check("tools: responses, result", second.status == "completed")
    with client.responses.stream(input=QUESTION, tool_choice="required", **asked) as stream:
        types = {event.type for event in stream}
    check("tools: responses, stream helper", "response.function_call_arguments.done" in types)


def errors(client: Any) -> None:
    """Errors as the client's own classes, with the field at fault."""
    create = client.chat.completions.create
    fails("errors: model", openai.NotFoundError, lambda: create(model="none", messages=MESSAGES))
    try:
        create(model="tiny", messages=MESSAGES, presence_penalty=0.5)
    except openai.BadRequestError as error:
        check("errors: param", error.param == "presence_penalty" and error.code == "unsupported_parameter")
    else:
        check("errors: param", False)
    check("models", [model.id for model in client.models.list()] == ["tiny"])
    check("models: one", client.models.retrieve("tiny").id == "tiny")


async def asynchronous(base: str) -> None:
    """The asynchronous client, many at once."""
    async with openai.AsyncOpenAI(base_url=base, api_key="none") as client:
        asked = [
            client.chat.completions.create(model="tiny", messages=MESSAGES, reasoning_effort="minimal", seed=i)
            for i in range(8)
        ]
        check("async: together", all(each.choices for each in await asyncio.gather(*asked)))
        stream = await client.responses.create(model="tiny", input=QUESTION, stream=True, reasoning={"effort": "low"})
        check("async: events", [event.type async for event in stream][-1] == "response.completed")


def main() -> None:
    """All of it."""
    base = sys.argv[1]
    client = openai.OpenAI(base_url=base, api_key="none", max_retries=0)
    chat(client)
    responses(client)
    tools(client)
    errors(client)
    asyncio.run(asynchronous(base))
    print(f"openai {openai.__version__}: {len(PASSED)} checks passed")


main()
