"""A chat completion, whole or as a stream of chunks.

The thinking goes under both names that clients read, `reasoning` and `reasoning_content`. In a stream the progress of
the search comes first, so that neither a proxy nor a reader thinks that nothing happens: as thinking where that is
shown, as comments (which clients skip) where it is hidden. The answer comes when it is known, in pieces; a last chunk
has the usage.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

from ponder.policy.native.formats import ToolCall
from ponder.serving.chat.request import ChatRequest
from ponder.serving.errors import as_api_error
from ponder.serving.service import Exchange, Service, tree_id
from ponder.serving.thinking.bill import usage_of
from ponder.serving.thinking.progress import counts_only, sentence
from ponder.serving.thinking.reply import Reply, Said
from ponder.serving.thinking.running import Progress, Running

_BEAT = 10.0  # seconds without any news after which a comment is sent
_PIECE = 512  # characters of an answer in one chunk
DONE = b"data: [DONE]\n\n"


def completion(service: Service, request: ChatRequest, exchange: Exchange) -> dict[str, Any]:
    """The whole object."""
    return {
        "id": exchange.id,
        "object": "chat.completion",
        "created": int(time.time()),
        "model": service.thinker.name,
        "choices": [choice(exchange, number, reply) for number, reply in enumerate(exchange.replies)],
        "usage": usage_of(exchange.bill, exchange.price),
        "service_tier": "default",
        "system_fingerprint": f"ponder-{service.thinker.version}",
        **({"metadata": request.metadata} if request.metadata is not None else {}),
        "ponder": told(exchange, 0),
    }


def choice(exchange: Exchange, number: int, reply: Reply) -> dict[str, Any]:
    """One choice of it."""
    thinking = thinking_of(exchange, number, reply)
    message: dict[str, Any] = {
        "role": "assistant",
        "content": None if reply.refusal is not None or (reply.calls and not reply.content) else reply.content,
        "refusal": reply.refusal,
    }
    if reply.calls:
        message["tool_calls"] = tool_calls(reply)
    if thinking is not None:
        message |= {"reasoning": thinking, "reasoning_content": thinking}
    shown = {"ponder": told(exchange, number)} if number else {}
    return {
        "index": number,
        "message": message,
        "logprobs": logprobs(reply.tokens) if exchange.asks[number].logprobs else None,
        "finish_reason": reply.finish,
        **shown,
    }


def tool_calls(reply: Reply) -> list[dict[str, Any]]:
    """The calls of an answer; their arguments are JSON as text."""
    return [
        {"id": id, "type": "function", "function": {"name": call.name, "arguments": arguments(call)}}
        for id, call in zip(reply.call_ids, reply.calls, strict=True)
    ]


def arguments(call: ToolCall) -> str:
    """The arguments of a call as the protocols write them."""
    return json.dumps(dict(call.arguments), ensure_ascii=False)


def thinking_of(exchange: Exchange, number: int, reply: Reply) -> str | None:
    """What is shown of the thinking; None: it is hidden."""
    show = exchange.asks[number].show
    if show == "full":
        return reply.thinking
    return summary(reply) if show == "summary" else None


def summary(reply: Reply) -> str:
    """How the search went, in sentences."""
    said = [] if reply.tree is None else [sentence(reply.tree) + "."]
    return "\n".join([*reply.why, *said, *(f"{note[:1].upper()}{note[1:]}." for note in reply.notes)])


def told(exchange: Exchange, number: int) -> dict[str, Any]:
    """What the protocol has no word for: what was chosen and why, the budget, how it ended, and the tree's id."""
    reply, ask = exchange.replies[number], exchange.asks[number]
    visible = ask.show != "hidden"
    return {
        "strategy": reply.strategy,
        "why": list(reply.why),
        "budget": ask.budget.tokens,
        "effort": ask.budget.effort,
        "limited_by": ask.budget.limited_by or None,
        "spent": reply.bill.spent,
        "seconds": round(reply.bill.seconds, 4),
        "ending": reply.ending,
        "checked": reply.checked,
        "score": reply.score if visible else None,
        "notes": list(reply.notes),
        "tree": tree_id(exchange.id, number) if visible else None,
        "form": reply.form,
        "weights": reply.version,
        "seed": ask.seed,
    }


def logprobs(tokens: tuple[Said, ...]) -> dict[str, Any]:
    """Log-probabilities of the visible answer's tokens."""
    content = [
        {"token": said.token, "logprob": said.logprob, "bytes": list(said.token.encode()), "top_logprobs": []}
        for said in tokens
    ]
    return {"content": content, "refusal": None}


async def stream(service: Service, request: ChatRequest, exchange: Exchange, settle: Any) -> AsyncIterator[bytes]:
    """The events of a stream. `settle` accounts the request before its usage is told."""
    created = int(time.time())
    frame = {
        "id": exchange.id,
        "object": "chat.completion.chunk",
        "created": created,
        "model": service.thinker.name,
        "service_tier": "default",
        "system_fingerprint": f"ponder-{service.thinker.version}",
    }
    with_usage = request.stream_options is not None and request.stream_options.include_usage

    def chunk(choices: list[dict[str, Any]], **more: Any) -> bytes:
        return event({**frame, "choices": choices, **({"usage": None} if with_usage else {}), **more})

    try:
        for number in range(len(exchange.asks)):
            yield chunk([delta(number, {"role": "assistant", "content": ""})])
        async for number, progress in news(exchange.searches):
            yield _progress(request, exchange, number, progress, chunk)
        await exchange.answers()
        await settle()
        for number, reply in enumerate(exchange.replies):
            for piece in _pieces(exchange, number, reply):
                yield chunk([piece])
            yield chunk([delta(number, {}, reply.finish)], ponder=told(exchange, number))
        if with_usage:
            yield event({**frame, "choices": [], "usage": usage_of(exchange.bill, exchange.price)})
    except Exception as error:  # the status was sent long ago: the error is an event, and the stream ends
        yield event(as_api_error(error).as_data())
    yield DONE


def delta(number: int, what: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    """A choice of a chunk."""
    return {"index": number, "delta": what, "logprobs": None, "finish_reason": finish}


def _pieces(exchange: Exchange, number: int, reply: Reply) -> list[dict[str, Any]]:
    found = []
    thinking = thinking_of(exchange, number, reply)
    if thinking:
        found.append(delta(number, {"reasoning": thinking, "reasoning_content": thinking}))
    if reply.refusal is not None:
        return [*found, delta(number, {"refusal": reply.refusal})]
    for start in range(0, len(reply.content), _PIECE):
        piece = delta(number, {"content": reply.content[start : start + _PIECE]})
        if exchange.asks[number].logprobs and not start:
            piece["logprobs"] = logprobs(reply.tokens)
        found.append(piece)
    for place, call in enumerate(tool_calls(reply)):
        said, begun = call["function"], {**call["function"], "arguments": ""}
        found.append(delta(number, {"tool_calls": [{"index": place, **call, "function": begun}]}))
        for start in range(0, len(said["arguments"]), _PIECE):
            more = {"arguments": said["arguments"][start : start + _PIECE]}
            found.append(delta(number, {"tool_calls": [{"index": place, "function": more}]}))
    return found


def _progress(request: ChatRequest, exchange: Exchange, number: int, progress: Progress | None, chunk: Any) -> bytes:
    """News of a search, as far as this caller may see them."""
    if progress is None:
        return comment("thinking")
    if exchange.asks[number].show == "hidden":
        return comment(counts_only(progress.summary))
    if request.ponder.progress:
        more = {
            "choice": number,
            "summary": progress.summary,
            "spent": progress.spent,
            "budget": progress.limit,
            "answers": progress.answers,
            "nodes": progress.nodes if exchange.asks[number].show == "full" else [],
        }
        sent: bytes = chunk([], ponder={"progress": more})
        return sent
    return comment(progress.summary)


async def news(searches: list[Running]) -> AsyncIterator[tuple[int, Progress | None]]:
    """News of all searches as they come, until all have ended; None where there was none for a while."""
    waiting = {asyncio.ensure_future(each.progress()): number for number, each in enumerate(searches)}
    try:
        while waiting:
            done, _ = await asyncio.wait(waiting, timeout=_BEAT, return_when=asyncio.FIRST_COMPLETED)
            if not done:
                yield min(waiting.values()), None
            for task in done:
                number = waiting.pop(task)
                progress = task.result()
                if progress is not None:
                    yield number, progress
                    waiting[asyncio.ensure_future(searches[number].progress())] = number
    finally:
        for task in waiting:
            task.cancel()


def event(data: dict[str, Any]) -> bytes:
    """One server-sent event."""
    return b"data: " + json.dumps(data, ensure_ascii=False).encode() + b"\n\n"


def comment(text: str) -> bytes:
    """What clients skip and proxies see."""
    return b": " + " ".join(text.split()).encode() + b"\n\n"
