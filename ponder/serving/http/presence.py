"""Whether a client is still there, and answers to clients that read slowly or not at all.

A request whose client leaves is cancelled: its searches are stopped, the engine's rows are free again, and what was
spent until then is accounted.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import aclosing, suppress
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

T = TypeVar("T")
Events = AsyncIterator[bytes]
TAKEN = b""  # the first event of a stream, never sent: the request was taken on


class ClientLeftError(Exception):
    """Nobody waits for this answer any more."""


async def while_present(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """What `work` returns; it is cancelled if the client leaves. Only after the body was read."""
    task = asyncio.ensure_future(work)
    watch = asyncio.ensure_future(_left(request.receive))
    try:
        await asyncio.wait([task, watch], return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise ClientLeftError
    finally:
        watch.cancel()
        if not task.done():
            task.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await task


async def begun(request: Request, events: Events, patience: float) -> EventStream:
    """The stream of `events` once its request was taken on: one that is not is refused with a status and no event."""

    async def first() -> None:
        await anext(events)

    try:
        await while_present(request, first())
    except BaseException:
        await events.aclose()  # type: ignore[attr-defined]  # an async generator
        raise
    return EventStream(events, patience)


class EventStream(Response):
    """Server-sent events. `events` is closed when the client leaves, or reads nothing for `patience` seconds.

    One piece is under way at a time, so what waits for a slow reader is bounded by the server's own socket buffer.
    """

    media_type = "text/event-stream"

    def __init__(self, events: Events, patience: float, headers: dict[str, str] | None = None) -> None:
        self._events, self._patience = events, patience
        own = {"cache-control": "no-store", "x-accel-buffering": "no", **(headers or {})}
        super().__init__(None, headers=own)
        # The length of what comes is not known.
        self.raw_headers = [pair for pair in self.raw_headers if pair[0] != b"content-length"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._sent(send, {"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        stream = asyncio.ensure_future(self._pour(send))
        watch = asyncio.ensure_future(_left(receive))
        try:
            await asyncio.wait([stream, watch], return_when=asyncio.FIRST_COMPLETED)
            if stream.done():
                stream.result()
        except TimeoutError:
            return  # it reads too slowly: the connection is closed, as for any answer that is not whole
        finally:
            watch.cancel()
            if not stream.done():
                stream.cancel()
                with suppress(asyncio.CancelledError, Exception):
                    await stream

    async def _pour(self, send: Send) -> None:
        async with aclosing(self._events) as events:  # type: ignore[type-var]  # an async generator
            async for piece in events:
                await self._sent(send, {"type": "http.response.body", "body": piece, "more_body": True})
        await self._sent(send, {"type": "http.response.body", "body": b"", "more_body": False})

    async def _sent(self, send: Callable[[Any], Awaitable[None]], message: dict[str, Any]) -> None:
        async with asyncio.timeout(self._patience):
            await send(message)


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
