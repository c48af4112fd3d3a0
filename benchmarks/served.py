"""A `ponder serve` of its own for the benchmarks of serving, and clients that ask it over real connections.

The server is a process beside this one. Where both have one core (pinned, or a machine with one), the clients' own work
comes out of the server's; `shares` says how much processor time each side took.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

QUESTION = "Make 18 from 3, 6, 1."
PLAIN: dict[str, Any] = {"ponder": {"strategy": "sample"}, "reasoning_effort": "low"}
SEARCH: dict[str, Any] = {"ponder": {"strategy": "vote"}, "reasoning_effort": "medium"}
START = 240.0  # seconds for a start
Asked = tuple[int, float, Any]  # status (0: no answer), seconds, body


class Server:
    """A server on a free port; `keys` by tier where there are tiers."""

    def __init__(self, *options: str, model: str = "tiny", name: str = "tiny", tiers: str | None = None) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self.data, self.name, self.port = Path(self._folder.name), name, free_port()
        self.keys: dict[str, str] = {}
        command = [sys.executable, "-m", "ponder"]
        more = ["--data", str(self.data)]
        if tiers is not None:
            (self.data / "tiers.toml").write_text(tiers)
            more += ["--tiers", str(self.data / "tiers.toml")]
            for tier in ("free", "paid"):
                made = [*command, "keys", "add", tier, "--tier", tier, "--json", *more]
                self.keys[tier] = json.loads(subprocess.run(made, check=True, capture_output=True).stdout)["key"]
        asked = [*command, "serve", model, "--name", name, "--port", str(self.port), *more, *options]
        self.log = self.data / "log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(asked, stderr=log)

    @property
    def url(self) -> str:
        """Where its API is."""
        return f"http://127.0.0.1:{self.port}/v1"

    async def __aenter__(self) -> Server:
        end = time.monotonic() + START
        while time.monotonic() < end and self.process.poll() is None:
            if (await self.ask("GET", "/health/ready", None))[0] == 200:
                if not self.keys:
                    await self.chat({})  # the first request compiles
                return self
            await asyncio.sleep(0.2)
        raise RuntimeError(f"the server did not start: {self.log.read_text()[-500:]}")

    async def __aexit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.terminate()
        await asyncio.to_thread(self.process.wait, 60)
        self._folder.cleanup()

    async def chat(self, more: dict[str, Any], text: str = QUESTION, key: str = "") -> Asked:
        """One chat completion."""
        body = {"model": self.name, "messages": [{"role": "user", "content": text}], **more}
        return await self.ask("POST", "/v1/chat/completions", body, key)

    async def ask(self, method: str, path: str, body: Any, key: str = "") -> Asked:
        """One request on a connection of its own."""
        started = time.perf_counter()
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            writer.write(request(method, path, body, key))
            answer = await reader.read()
            writer.close()
        except OSError:
            return 0, time.perf_counter() - started, None
        return (*parsed(answer, time.perf_counter() - started),)

    @property
    def megabytes(self) -> float:
        """Resident memory."""
        return float(psutil.Process(self.process.pid).memory_info().rss / 1e6)

    @contextmanager
    def shares(self, found: dict[str, Any]) -> Iterator[None]:
        """Into `found`: cores that the server and this process kept busy meanwhile."""
        mine, its, started = os.times(), psutil.Process(self.process.pid), time.perf_counter()
        before = its.cpu_times()
        yield
        took, now, after = time.perf_counter() - started, os.times(), its.cpu_times()
        found["server_cores"] = round((after.user + after.system - before.user - before.system) / took, 2)
        found["client_cores"] = round((now.user + now.system - mine.user - mine.system) / took, 2)


def free_port() -> int:
    """A port that nobody has now."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def request(method: str, path: str, body: Any, key: str = "") -> bytes:
    """A request as it goes over the wire; its connection ends with the answer."""
    data = b"" if body is None else json.dumps(body).encode()
    head = f"{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nconnection: close\r\n"
    head += f"content-length: {len(data)}\r\n" + (f"authorization: Bearer {key}\r\n" if key else "")
    return head.encode() + b"\r\n" + data


def parsed(answer: bytes, took: float) -> Asked:
    """What came back."""
    top, _, rest = answer.partition(b"\r\n\r\n")
    if not top:
        return 0, took, None
    return int(top.split()[1]), took, json.loads(rest) if rest[:1] == b"{" else None


def quantiles(values: list[float]) -> dict[str, float]:
    """p50, p95 and p99 in seconds."""
    ranked = sorted(values) or [float("nan")]
    return {f"p{q}": round(ranked[min(len(ranked) - 1, int(len(ranked) * q / 100))], 4) for q in (50, 95, 99)}


async def clients(server: Server, number: int, seconds: float, more: dict[str, Any]) -> list[Asked]:
    """`number` clients that ask again and again for some seconds."""
    end, found = time.perf_counter() + seconds, list[Asked]()

    async def one(place: int) -> None:
        asked = 0
        while time.perf_counter() < end:
            found.append(await server.chat({**more, "seed": place * 100_000 + asked}))
            asked += 1
            if found[-1][0] != 200:
                await asyncio.sleep(0.2)  # a client that was refused waits a little; real ones wait for Retry-After

    await asyncio.gather(*(one(place) for place in range(number)))
    return found
