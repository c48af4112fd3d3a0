"""Connections before there is a request on them: not more than so many, and none that says nothing for long.

What is beyond the bound is refused with a status and closed at once, so that ten thousand connections cost a moment
each and the requests under way nothing. A client that does not take what was written for it is cut off: closing alone
would wait for it to read.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any, ClassVar

from uvicorn.protocols.http.h11_impl import H11Protocol

from ponder.serving.errors import ApiError
from ponder.serving.settings import Limits


def _closing(error: ApiError, phrase: str) -> bytes:
    """A whole answer, after which the connection ends."""
    body = json.dumps(error.as_data()).encode()
    lines = [f"HTTP/1.1 {error.status} {phrase}", "content-type: application/json", f"content-length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in error.headers.items()]
    return "\r\n".join([*lines, "connection: close", "", ""]).encode() + body


_REFUSAL = _closing(
    ApiError(503, "this server holds as many connections as it takes", code="overloaded", wait=1.0),
    "Service Unavailable",
)
_MALFORMED = _closing(
    ApiError(400, "this is no HTTP request, or its head is too large", code="invalid_http"), "Bad Request"
)


class Bounded(H11Protocol):
    """H11 with a bound on connections, on the time in which a request's head must come, and on slow readers."""

    bounds: ClassVar[Limits]
    open_now: ClassVar[set[Bounded]]
    _late: asyncio.TimerHandle | None = None
    _stuck: asyncio.TimerHandle | None = None
    _refused = False

    def connection_made(self, transport: Any) -> None:
        if len(self.open_now) >= self.bounds.connections:
            self._refused = True
            transport.write(_REFUSAL)
            transport.close()
            return
        self.open_now.add(self)
        super().connection_made(transport)
        self._expect()

    def data_received(self, data: bytes) -> None:
        if not self._refused:
            super().data_received(data)
            self._expect()

    def eof_received(self) -> None:
        if not self._refused:
            super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self.open_now.discard(self)
        for timer in (self._late, self._stuck):
            if timer is not None:
                timer.cancel()
        if not self._refused:
            super().connection_lost(exc)

    def pause_writing(self) -> None:
        if not self._refused:
            super().pause_writing()
            self._watch()

    def resume_writing(self) -> None:
        if self._stuck is not None and not self.transport.is_closing():
            self._stuck.cancel()
            self._stuck = None
        if not self._refused:
            super().resume_writing()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing():
            self._watch()

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP at all is told so in our form, unless it comes in the middle of an answer."""
        if not self._handling:
            self.transport.write(_MALFORMED)
        self.transport.close()
        self._watch()

    def _expect(self) -> None:
        """Wait for a request's head only so long; the next one on this connection too, once it has begun."""
        if self._handling:
            if self._late is not None:
                self._late.cancel()
                self._late = None
        elif self._late is None:
            self._late = self.loop.call_later(self.bounds.upload, self._too_late)

    def _watch(self) -> None:
        if self._stuck is None:
            self._stuck = self.loop.call_later(self.bounds.slow_reader, self.transport.abort)

    def _too_late(self) -> None:
        if not self._handling and not self.transport.is_closing():
            self.transport.close()
            self._watch()

    @property
    def _handling(self) -> bool:
        """Whether a request was read and is being answered."""
        cycle: Any = getattr(self, "cycle", None)  # uvicorn's own type says that there always is one
        return cycle is not None and not cycle.response_complete


def bounded(limits: Limits) -> type[Bounded]:
    """The protocol of one server: it counts its own connections."""

    class Own(Bounded):
        bounds = limits
        open_now = set()

    return Own
