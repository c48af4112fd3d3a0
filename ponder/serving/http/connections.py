"""Connections before there is a request on them: not more than so many, and none that says nothing for long.

What is beyond the bound is refused with a status and closed at once, so that ten thousand connections cost a moment
each and the requests under way nothing.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from ponder.serving.errors import ApiError
from ponder.serving.settings import Limits

_FULL = ApiError(503, "this server holds as many connections as it takes", code="overloaded", wait=1.0)


def bounded(limits: Limits) -> type[H11Protocol]:
    """The protocol of one server: it counts its own connections."""
    open_now: set[Any] = set()
    body = json.dumps(_FULL.as_data()).encode()
    head = f"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
    refusal = head.encode() + b"retry-after: 1\r\nconnection: close\r\n\r\n" + body

    class Bounded(H11Protocol):
        """H11 with a bound on connections and on the time in which a request's head must come."""

        _late: asyncio.TimerHandle | None = None
        _refused = False

        def connection_made(self, transport: Any) -> None:
            if len(open_now) >= limits.connections:
                self._refused = True
                transport.write(refusal)
                transport.close()
                return
            open_now.add(self)
            super().connection_made(transport)
            self._late = self.loop.call_later(limits.upload, self._too_late)

        def data_received(self, data: bytes) -> None:
            if not self._refused:
                super().data_received(data)
                if self._asked and self._late is not None:
                    self._late.cancel()

        def eof_received(self) -> None:
            if not self._refused:
                super().eof_received()

        def connection_lost(self, exc: Exception | None) -> None:
            open_now.discard(self)
            if self._late is not None:
                self._late.cancel()
            if not self._refused:
                super().connection_lost(exc)

        def _too_late(self) -> None:
            if not self._asked and not self.transport.is_closing():
                self.transport.close()

        @property
        def _asked(self) -> bool:
            """Whether the head of a request was read; uvicorn's own type says that it always was."""
            return getattr(self, "cycle", None) is not None

    return Bounded
