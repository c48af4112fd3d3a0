"""The faulty server, once for all tests of this folder."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ponder.engines.remote.address import parse
from ponder.engines.remote.client import Deadlines
from ponder.engines.remote.engine import RemoteEngine


@dataclass
class Server:
    """The process and the waits that clients made, which are recorded and not waited for."""

    port: int
    waits: list[float]

    def url(self, fault: str, path: str = "") -> str:
        return f"http://127.0.0.1:{self.port}/v1{path}#{fault}"

    def engine(self, fault: str, path: str = "", concurrency: int = 32, late: Deadlines | None = None) -> RemoteEngine:
        """A client of the model `fault` whose deadlines are short where a test says so."""
        engine = RemoteEngine(parse(self.url(fault, path)), deadlines=late, concurrency=concurrency)

        async def record(seconds: float) -> None:
            self.waits.append(seconds)

        engine.client.sleep = record
        return engine

    def seen(self, fault: str) -> list[dict[str, Any]]:
        """The requests for a model, in the order in which they came."""
        address = f"http://127.0.0.1:{self.port}/seen/{urllib.parse.quote(fault, safe='')}"
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(address, timeout=5) as response:
            seen: list[dict[str, Any]] = json.load(response)
        return seen


@pytest.fixture(scope="session")
def port() -> Iterator[int]:
    command = [sys.executable, str(Path(__file__).with_name("server.py"))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None and process.stdout is not None
        yield int(process.stdout.readline())
        process.stdin.close()  # which the server takes as its end
        process.wait(timeout=10)


@pytest.fixture
def server(port: int, monkeypatch: pytest.MonkeyPatch) -> Server:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy", "PONDER_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    return Server(port, [])
