"""`POST /v1/chat/completions`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ponder.serving.caller import Caller
from ponder.serving.chat.answer import completion, stream
from ponder.serving.chat.request import ChatRequest, asks, refuse_unsupported
from ponder.serving.http.body import read
from ponder.serving.http.presence import TAKEN, begun, while_present
from ponder.serving.service import Service, new_id
from ponder.serving.thinking.ask import Ask


async def chat(service: Service, request: Request, caller: Caller) -> Response:
    """Answer a conversation."""
    limits = service.limits
    body = await read(request, ChatRequest, most=limits.body_bytes, seconds=limits.upload)
    refuse_unsupported(body, service.thinker.name, service.thinker.gives_logprobs)
    wanted = asks(body, service.dial, caller, limits, service.thinker.tool_format)
    if body.stream:
        return await begun(request, _events(service, body, caller, wanted), limits.slow_reader)
    return JSONResponse(await while_present(request, _whole(service, body, caller, wanted)))


async def _whole(service: Service, body: ChatRequest, caller: Caller, wanted: tuple[Ask, ...]) -> dict[str, Any]:
    async with service.exchange(caller, wanted, "chat", new_id("chatcmpl")) as exchange:
        await exchange.answers()
        await service.settle(exchange, "chat")
        return completion(service, body, exchange)


async def _events(service: Service, body: ChatRequest, caller: Caller, wanted: tuple[Ask, ...]) -> AsyncIterator[bytes]:
    async with service.exchange(caller, wanted, "chat", new_id("chatcmpl")) as exchange:
        yield TAKEN
        sent = stream(service, body, exchange, lambda: service.settle(exchange, "chat"))
        async with aclosing(sent) as pieces:  # type: ignore[type-var]  # an async generator
            async for piece in pieces:
                yield piece
