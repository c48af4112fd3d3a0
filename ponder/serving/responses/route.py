"""`/v1/responses`: answer, look up, forget. A response is stored unless the request says not to, as in the protocol.

What is stored is the conversation up to it and the object, in memory, for as long as there is room: a server that was
started anew knows none. `previous_response_id` goes on from there.
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ponder.serving.caller import Caller
from ponder.serving.errors import ApiError
from ponder.serving.http.body import read
from ponder.serving.http.presence import TAKEN, begun, while_present
from ponder.serving.responses.answer import Events, finished
from ponder.serving.responses.request import ResponsesRequest, ask_of, refuse_unsupported, said
from ponder.serving.service import Exchange, Service, new_id
from ponder.serving.store import Store
from ponder.serving.thinking.ask import Ask, Turn
from ponder.serving.tools import calls_turn


@dataclass(frozen=True)
class Kept:
    """A stored response: the turns up to and with its answer, and the object."""

    turns: tuple[Turn, ...]
    data: dict[str, Any]


class Conversations:
    """Stored responses, each seen by the key that made it alone."""

    def __init__(self, most: int) -> None:
        self._store: Store[Kept] = Store(most)

    def before(self, request: ResponsesRequest, caller: Caller) -> tuple[Turn, ...]:
        """The turns that a request goes on from."""
        if request.previous_response_id is None:
            return ()
        kept = self._store.get(request.previous_response_id, caller.id)
        if kept is None:
            why = "there is no such response, or it is not kept any more; send the conversation in `input`"
            raise ApiError(404, why, param="previous_response_id", code="previous_response_not_found")
        return kept.turns

    def keep(
        self, request: ResponsesRequest, before: tuple[Turn, ...], exchange: Exchange, data: dict[str, Any]
    ) -> None:
        """Store a finished response, unless its request says not to."""
        if request.store is False:
            return
        reply = exchange.replies[0]
        turns = (*said(request, before), ("assistant", reply.content))
        if reply.calls:
            turns += (calls_turn(reply.calls, reply.call_ids),)
        size = len(json.dumps(data)) + sum(len(text) for _, text in turns)
        self._store.put(exchange.id, exchange.caller.id, Kept(turns, data), size)

    def bound(self, handler: Any) -> Any:
        """A handler that is given the store as well."""

        async def handle(service: Service, request: Request, caller: Caller) -> Response:
            found: Response = await handler(self, service, request, caller)
            return found

        return handle

    async def stored(self, service: Service, request: Request, caller: Caller) -> Response:
        """One that is stored."""
        kept = self._store.get(request.path_params["id"], caller.id)
        if kept is None:
            raise ApiError(404, "there is no such response, or it is not kept any more", code="not_found")
        return JSONResponse(kept.data)

    async def forget(self, service: Service, request: Request, caller: Caller) -> Response:
        """Delete one."""
        id = request.path_params["id"]
        if not self._store.drop(id, caller.id):
            raise ApiError(404, "there is no such response, or it is not kept any more", code="not_found")
        return JSONResponse({"id": id, "object": "response", "deleted": True})


async def respond(conversations: Conversations, service: Service, request: Request, caller: Caller) -> Response:
    """Answer."""
    limits = service.limits
    body = await read(request, ResponsesRequest, most=limits.body_bytes, seconds=limits.upload)
    refuse_unsupported(body, service.thinker.name)
    before = conversations.before(body, caller)
    ask = ask_of(body, before, service.dial, caller, limits, service.thinker.tool_format)
    work = _Work(conversations, service, body, caller, before, ask)
    if body.stream:
        return await begun(request, work.events(), limits.slow_reader)
    return JSONResponse(await while_present(request, work.whole()))


@dataclass(frozen=True)
class _Work:
    conversations: Conversations
    service: Service
    body: ResponsesRequest
    caller: Caller
    before: tuple[Turn, ...]
    ask: Ask

    async def whole(self) -> dict[str, Any]:
        async with self.service.exchange(self.caller, [self.ask], "responses", new_id("resp")) as exchange:
            await exchange.answers()
            await self.service.settle(exchange, "responses")
            data = finished(self.service, self.body, exchange, int(time.time()))
            self.conversations.keep(self.body, self.before, exchange, data)
            return data

    async def events(self) -> AsyncIterator[bytes]:
        async with self.service.exchange(self.caller, [self.ask], "responses", new_id("resp")) as exchange:
            yield TAKEN
            sent = Events(self.service, self.body, exchange).sent(
                lambda: self.service.settle(exchange, "responses"),
                lambda data: self.conversations.keep(self.body, self.before, exchange, data),
            )
            async with aclosing(sent) as pieces:  # type: ignore[type-var]  # an async generator
                async for piece in pieces:
                    yield piece
