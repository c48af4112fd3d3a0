"""The body of a reply, in whatever pieces it comes, as JSON objects: one object, or a stream of events.

Pieces are joined as bytes and decoded by whole lines, so a character may lie in two of them. Of the event format only
what these servers send is read: `data:` lines that end with a line feed; other fields and comments mean nothing here.
"""

from __future__ import annotations

import json
from typing import Any

from ponder.types import EngineError

# An answer of a hundred thousand tokens, each in an event of its own, stays below it.
MOST_BYTES = 64 << 20
_SHOWN = 80


class Body:
    """Collects the body of one reply. `done` says that the stream named its own end; what follows is not needed."""

    def __init__(self, stream: bool) -> None:
        self.objects: list[dict[str, Any]] = []
        self.done = False
        self.received = 0
        self._stream = stream
        self._rest = bytearray()
        self._data: list[bytes] = []

    def feed(self, piece: bytes) -> None:
        self.received += len(piece)
        if self.received > MOST_BYTES:
            raise EngineError(f"the server sent more than {MOST_BYTES >> 20} MiB for one answer; it was hung up on")
        self._rest += piece
        if self._stream and b"\n" in piece:
            *lines, rest = self._rest.split(b"\n")
            self._rest = rest
            for line in lines:
                self._line(bytes(line).removesuffix(b"\r"))

    def close(self) -> None:
        """The last byte has come."""
        if not self._stream:
            self.objects.append(_object(bytes(self._rest)))
            self.done = True

    def _line(self, line: bytes) -> None:
        if self.done:
            return
        if line.startswith(b"data:"):
            self._data.append(line[5:].removeprefix(b" "))
        elif not line and self._data:
            data, self._data = b"\n".join(self._data), []
            if data.strip() == b"[DONE]":
                self.done = True
            else:
                self.objects.append(_object(data))


def _object(data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        shown = data[:_SHOWN].decode("utf-8", "replace")
        raise EngineError(f"the server answered with something that is not JSON: {shown!r}") from None
    if not isinstance(value, dict):
        raise EngineError(f"the server answered with a JSON {type(value).__name__} where an object belongs")
    return value
