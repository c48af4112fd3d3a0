"""The body of a reply, in whatever pieces it comes, as JSON objects: one object, or a stream of events.

Pieces are joined as bytes and decoded by whole lines, so a character may lie in two of them. Of the event format only
what these servers send is read: `data:` lines that end with a line feed; other fields and comments mean nothing here.

Each object goes to whoever reads the answer and is not kept. What may come is bounded by what was asked for: the whole
stream (`_EVENT` bytes a token), and one object of it, since a parsed object takes twenty times the memory of its text.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ponder.engines.remote.quoting import Quoting
from ponder.types import EngineError

MOST_BYTES = 64 << 20  # of any answer
_BASE = 1 << 20  # bytes that an answer of one token may have
_EVENT, _OBJECT = 2048, 128  # bytes a token, of events that hold one token each, and of one object that holds all
_SHOWN = 80


class Body:
    """Reads the body of one reply to a request for `max_tokens`, and hands each of its objects to `take`.

    `take` says whether it wants more. `done`: it does not, or the stream named its own end; what follows is not needed.
    """

    def __init__(
        self, stream: bool, take: Callable[[dict[str, Any]], bool], max_tokens: int, quoting: Quoting | None = None
    ) -> None:
        self.done = False
        self.ended = False  # the end itself was seen
        self.received = 0
        self._stream, self._take, self._quoting = stream, take, quoting or Quoting()
        self._most_whole = min(MOST_BYTES, _BASE + max_tokens * _EVENT)
        self._most_object = min(MOST_BYTES, _BASE + max_tokens * _OBJECT)
        self._rest = bytearray()
        self._data = bytearray()  # of the event that has begun, without the names of its fields

    def feed(self, piece: bytes) -> None:
        self.received += len(piece)
        self._bounded(self.received, self._most_whole)
        self._rest += piece
        if self._stream and b"\n" in piece:
            *lines, rest = self._rest.split(b"\n")
            self._rest = rest
            for line in lines:
                self._line(bytes(line).removesuffix(b"\r"))
        if not self.done:
            self._bounded(len(self._rest) + len(self._data), self._most_object)

    def close(self) -> None:
        """The last byte has come."""
        if not self._stream:
            self._object(bytes(self._rest))
            self.done = self.ended = True

    def _bounded(self, size: int, most: int) -> None:
        if size > most:
            raise EngineError(
                f"the server sent more than {most >> 10} KiB, too much for what was asked for; it was hung up on"
            )

    def _line(self, line: bytes) -> None:
        if self.done:
            return
        if line.startswith(b"data:"):
            self._data += line[5:].removeprefix(b" ") + b"\n"
        elif not line and self._data:
            data, self._data = bytes(self._data).removesuffix(b"\n"), bytearray()
            if data.strip() == b"[DONE]":
                self.done = self.ended = True
            else:
                self._object(data)

    def _object(self, data: bytes) -> None:
        try:
            value = json.loads(data)
        except (ValueError, RecursionError):
            shown = self._quoting.shown(data[: 16 * _SHOWN].decode("utf-8", "replace"), _SHOWN)
            raise EngineError(f"the server answered with something that is not JSON: {shown!r}") from None
        if not isinstance(value, dict):
            raise EngineError(f"the server answered with a JSON {type(value).__name__} where an object belongs")
        self.done = not self._take(value)
