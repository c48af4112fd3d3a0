"""A response object and the events by which it comes.

The progress of the search goes out as the summary of its reasoning, which is where clients show such things: one part
for each piece of news while it thinks. The full text of the thinking, where it is asked for, follows as reasoning text.
Every event carries the next `sequence_number`.
"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from ponder.serving.chat.answer import arguments, comment, news, summary, told
from ponder.serving.errors import as_api_error
from ponder.serving.responses.request import ResponsesRequest
from ponder.serving.service import Exchange, Service, new_id
from ponder.serving.thinking.bill import usage_of
from ponder.serving.thinking.progress import counts_only
from ponder.serving.thinking.reply import Reply

_PIECE = 512


def frame(service: Service, request: ResponsesRequest, exchange: Exchange, created: int) -> dict[str, Any]:
    """The object before there is anything in it."""
    text = (
        {"format": {"type": "text"}}
        if request.text is None
        else request.text.model_dump(by_alias=True, exclude_none=True)
    )
    ask = exchange.asks[0]
    return {
        "id": exchange.id,
        "object": "response",
        "created_at": created,
        "status": "in_progress",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": request.instructions,
        "max_output_tokens": request.max_output_tokens,
        "metadata": request.metadata or {},
        "model": service.thinker.name,
        "output": [],
        "parallel_tool_calls": request.parallel_tool_calls is not False,
        "previous_response_id": request.previous_response_id,
        "reasoning": {"effort": ask.budget.effort, "summary": "detailed" if ask.show != "hidden" else None},
        "service_tier": "default",
        "store": request.store is not False,
        "temperature": ask.temperature,
        "text": text,
        "tool_choice": request.tool_choice or "auto",
        "tools": [tool.model_dump(exclude_none=True) for tool in request.tools or []],
        "top_p": ask.top_p,
        "truncation": "disabled",
        "usage": None,
        "user": request.user,
    }


def finished(
    service: Service,
    request: ResponsesRequest,
    exchange: Exchange,
    created: int,
    output: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """The whole object."""
    reply = exchange.replies[0]
    cut = reply.finish == "length"
    return {
        **frame(service, request, exchange, created),
        "status": "incomplete" if cut else "completed",
        "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
        "output": output if output is not None else _output(exchange, reply),
        "usage": usage(exchange),
        "ponder": told(exchange, 0),
    }


def usage(exchange: Exchange) -> dict[str, Any]:
    """The bill in the words of this API."""
    chat = usage_of(exchange.bill, exchange.price)
    return {
        "input_tokens": chat["prompt_tokens"],
        "input_tokens_details": {
            "cached_tokens": chat["prompt_tokens_details"]["cached_tokens"],
            "cache_write_tokens": 0,
        },
        "output_tokens": chat["completion_tokens"],
        "output_tokens_details": {"reasoning_tokens": chat["completion_tokens_details"]["reasoning_tokens"]},
        "total_tokens": chat["total_tokens"],
        "ponder": chat["ponder"],
    }


def reasoning_item(id: str, parts: list[str], text: str | None) -> dict[str, Any]:
    """The thinking as an item: its summary in parts, and its text where that is shown."""
    return {
        "id": id,
        "type": "reasoning",
        "status": "completed",
        "summary": [{"type": "summary_text", "text": part} for part in parts],
        **({"content": [{"type": "reasoning_text", "text": text}]} if text is not None else {}),
    }


def message_item(id: str, reply: Reply, status: str = "completed") -> dict[str, Any]:
    """The answer as an item."""
    return {"id": id, "type": "message", "role": "assistant", "status": status, "content": [content(reply)]}


def call_items(reply: Reply) -> list[dict[str, Any]]:
    """The calls of an answer as items."""
    return [
        {
            "id": new_id("fc"),
            "type": "function_call",
            "status": "completed",
            "call_id": id,
            "name": call.name,
            "arguments": arguments(call),
        }
        for id, call in zip(reply.call_ids, reply.calls, strict=True)
    ]


def content(reply: Reply) -> dict[str, Any]:
    """The one part of the answer."""
    if reply.refusal is not None:
        return {"type": "refusal", "refusal": reply.refusal}
    return {"type": "output_text", "text": reply.content, "annotations": [], "logprobs": []}


def _output(exchange: Exchange, reply: Reply) -> list[dict[str, Any]]:
    show = exchange.asks[0].show
    found = []
    if show != "hidden":
        parts = [summary(reply)]
        found.append(reasoning_item(new_id("rs"), parts, reply.thinking if show == "full" else None))
    said = [message_item(new_id("msg"), reply)] if reply.content or not reply.calls else []
    return [*found, *said, *call_items(reply)]


class Events:
    """The stream of one response: numbers its events, and keeps what was sent, so that the end says the same."""

    def __init__(self, service: Service, request: ResponsesRequest, exchange: Exchange) -> None:
        self._service, self._request, self._exchange = service, request, exchange
        self._number = itertools.count()
        self._created = int(time.time())
        self._output: list[dict[str, Any]] = []

    async def sent(
        self, settle: Callable[[], Awaitable[None]], keep: Callable[[dict[str, Any]], None]
    ) -> AsyncIterator[bytes]:
        """All events. `settle` accounts the request before its usage is told; `keep` stores the finished object."""
        start = frame(self._service, self._request, self._exchange, self._created)
        yield self._event("response.created", response=start)
        yield self._event("response.in_progress", response=start)
        try:
            async for piece in self._thought():
                yield piece
            await self._exchange.answers()
            await settle()
            async for piece in self._ended_thinking():
                yield piece
            reply = self._exchange.replies[0]
            for piece in self._answered(reply) if reply.content or not reply.calls else []:
                yield piece
            for piece in self._called(reply):
                yield piece
            whole = finished(self._service, self._request, self._exchange, self._created, self._output)
            keep(whole)
            yield self._event(f"response.{whole['status']}", response=whole)
        except Exception as error:
            told_error = as_api_error(error)
            code = told_error.code or told_error.kind
            failed = {**start, "status": "failed", "error": {"code": "server_error", "message": told_error.message}}
            yield self._event("error", code=code, message=told_error.message, param=told_error.param)
            yield self._event("response.failed", response=failed)

    async def _thought(self) -> AsyncIterator[bytes]:
        """News of the search: summary parts where they are shown, comments where not."""
        self._id, self._parts = new_id("rs"), list[str]()
        hidden = self._exchange.asks[0].show == "hidden"
        if not hidden:
            item = {"id": self._id, "type": "reasoning", "status": "in_progress", "summary": []}
            yield self._event("response.output_item.added", output_index=0, item=item)
        async for _, progress in news(self._exchange.searches):
            if progress is None:
                yield comment("thinking")
            elif hidden:
                yield comment(counts_only(progress.summary))
            elif not self._parts or self._parts[-1] != progress.summary:
                for piece in self._part(progress.summary):
                    yield piece

    def _part(self, text: str) -> list[bytes]:
        """One part of the summary."""
        where = {"item_id": self._id, "output_index": 0, "summary_index": len(self._parts)}
        self._parts.append(text)
        part = {"type": "summary_text", "text": text}
        return [
            self._event("response.reasoning_summary_part.added", **where, part={"type": "summary_text", "text": ""}),
            self._event("response.reasoning_summary_text.delta", **where, delta=text),
            self._event("response.reasoning_summary_text.done", **where, text=text),
            self._event("response.reasoning_summary_part.done", **where, part=part),
        ]

    async def _ended_thinking(self) -> AsyncIterator[bytes]:
        show, reply = self._exchange.asks[0].show, self._exchange.replies[0]
        if show == "hidden":
            return
        for piece in self._part(summary(reply)):
            yield piece
        text = reply.thinking if show == "full" else None
        if text is not None:
            where = {"item_id": self._id, "output_index": 0, "content_index": 0}
            for start in range(0, len(text), _PIECE):
                yield self._event("response.reasoning_text.delta", **where, delta=text[start : start + _PIECE])
            yield self._event("response.reasoning_text.done", **where, text=text)
        item = reasoning_item(self._id, self._parts, text)
        self._output.append(item)
        yield self._event("response.output_item.done", output_index=0, item=item)

    def _answered(self, reply: Reply) -> list[bytes]:
        """The answer, when it is known."""
        id, index = new_id("msg"), len(self._output)
        where = {"item_id": id, "output_index": index, "content_index": 0}
        item = {**message_item(id, reply, "in_progress"), "content": []}
        part = content(reply)
        refused = part["type"] == "refusal"
        text, name = (part["refusal"], "refusal") if refused else (part["text"], "output_text")
        more: dict[str, Any] = {} if refused else {"logprobs": []}
        found = [
            self._event("response.output_item.added", output_index=index, item=item),
            self._event("response.content_part.added", **where, part={**part, "refusal" if refused else "text": ""}),
        ]
        for start in range(0, len(text), _PIECE):
            piece = text[start : start + _PIECE]
            found.append(self._event(f"response.{name}.delta", **where, delta=piece, **more))
        whole = {"refusal": text} if refused else {"text": text}
        found.append(self._event(f"response.{name}.done", **where, **whole, **more))
        found.append(self._event("response.content_part.done", **where, part=part))
        done = message_item(id, reply, "incomplete" if reply.finish == "length" else "completed")
        self._output.append(done)
        found.append(self._event("response.output_item.done", output_index=index, item=done))
        return found

    def _called(self, reply: Reply) -> list[bytes]:
        """The calls of tools."""
        found = []
        for item in call_items(reply):
            index, said = len(self._output), item["arguments"]
            where = {"item_id": item["id"], "output_index": index}
            begun = {**item, "status": "in_progress", "arguments": ""}
            found.append(self._event("response.output_item.added", output_index=index, item=begun))
            for start in range(0, len(said), _PIECE):
                piece = said[start : start + _PIECE]
                found.append(self._event("response.function_call_arguments.delta", **where, delta=piece))
            whole = {"name": item["name"], "arguments": said}
            found.append(self._event("response.function_call_arguments.done", **where, **whole))
            self._output.append(item)
            found.append(self._event("response.output_item.done", output_index=index, item=item))
        return found

    def _event(self, type: str, **what: Any) -> bytes:
        data = {"type": type, "sequence_number": next(self._number), **what}
        return f"event: {type}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n".encode()
