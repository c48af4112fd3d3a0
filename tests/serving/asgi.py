"""A client of an ASGI application in this process: what was sent, in order, and a connection that may be cut."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Answer:
    """What came back: `status` 0 if the connection was cut before there was one."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def data(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        found: dict[str, Any] = self.data["error"]
        return found

    @property
    def events(self) -> list[Any]:
        """The events of a stream, without comments and the end."""
        lines = self.body.decode().split("\n")
        found = [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]
        return [json.loads(line) for line in found if line != "[DONE]"]


class Client:
    """Asks an application; `key` goes into the header."""

    def __init__(self, app: Any, key: str | None = None) -> None:
        self.app, self.key = app, key

    async def get(self, path: str, **headers: str) -> Answer:
        return await self.ask("GET", path, None, headers=headers)

    async def post(self, path: str, body: Any, **more: Any) -> Answer:
        return await self.ask("POST", path, body, **more)

    async def chat(self, text: str = "Make 18 from 3, 6, 1.", **more: Any) -> Answer:
        leave = more.pop("leave", None)
        body = {"model": "toy", "messages": [{"role": "user", "content": text}], **more}
        return await self.post("/v1/chat/completions", body, leave=leave)

    async def ask(
        self,
        method: str,
        path: str,
        body: Any,
        *,
        headers: dict[str, str] | None = None,
        leave: asyncio.Event | None = None,
    ) -> Answer:
        """`leave`: the client goes as soon as it is set."""
        data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        given = {"host": "localhost", "content-type": "application/json", "content-length": str(len(data))}
        given |= headers or {}
        if self.key is not None:
            given["authorization"] = f"Bearer {self.key}"
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": [(k.encode(), v.encode()) for k, v in given.items()],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
            "scheme": "http",
        }
        sent, gone, answer = False, leave or asyncio.Event(), Answer()

        async def receive() -> dict[str, Any]:
            nonlocal sent
            if not sent:
                sent = True
                return {"type": "http.request", "body": data, "more_body": False}
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                answer.status = message["status"]
                answer.headers = {k.decode().lower(): v.decode() for k, v in message["headers"]}
            else:
                answer.body += message.get("body", b"")

        await self.app(scope, receive, send)
        return answer
