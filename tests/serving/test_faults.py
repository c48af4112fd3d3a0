"""Faults beside and below the server: what was accepted is accounted once, and everybody else gets an error object."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event, select

from ponder.api.policies import load_source
from ponder.serving.accounts.book import Book
from ponder.serving.accounts.database import open_database, sqlite_url
from ponder.serving.accounts.offer import Offer
from ponder.serving.accounts.tables import REQUESTS
from ponder.serving.caller import Caller
from ponder.serving.errors import ApiError
from ponder.serving.http.app import build
from ponder.serving.http.presence import EventStream
from ponder.serving.service import Service
from ponder.serving.settings import Limits
from ponder.serving.thinking.ask import Ask
from ponder.serving.thinking.thinker import Thinker
from tests.serving.asgi import Answer, Client
from tests.serving.toys import PacedEngine, listening, says, server

SAMPLE: dict[str, Any] = {"ponder": {"strategy": "sample"}}
WAIT = 120.0


def run(coroutine: Any) -> Any:
    return asyncio.run(coroutine)


def booked(engine: Engine) -> list[tuple[str, str | None, int | None]]:
    """State, ending and tokens of every request in the book."""
    with engine.connect() as connection:
        rows = connection.execute(select(REQUESTS.c.state, REQUESTS.c.ending, REQUESTS.c.completion))
        return [(row.state, row.ending, row.completion) for row in rows]


async def until(what: Any) -> None:
    """Wait until `what()` holds."""
    async with asyncio.timeout(WAIT):
        while not what():
            await asyncio.sleep(0.01)


async def insisting(connection: socket.socket) -> None:
    """Send until the other side says that it is gone."""
    while True:
        await asyncio.get_running_loop().sock_sendall(connection, b"x")
        await asyncio.sleep(0.02)


def test_a_full_disk_refuses_newcomers_and_loses_no_account(tmp_path: Path):
    """SQLite itself says that its disk is full: the file may have no more pages than it has."""

    async def asked() -> tuple[list[Answer], Answer, Answer, list[Any]]:
        async with server(folder=tmp_path) as (client, service):
            assert service.book is not None
            engine = service.book._engine
            full = True

            def limited(connection: Any, *_: Any) -> None:
                pages = connection.execute("PRAGMA page_count").fetchone()[0] if full else 1 << 30
                connection.execute(f"PRAGMA max_page_count={pages}")

            event.listen(engine, "checkout", limited)
            found = [await client.chat(**SAMPLE)]
            while found[-1].status == 200:
                found.append(await client.chat(**SAMPLE))
            health = await client.get("/health")
            full = False
            await until(lambda: service.book is not None and not service.book.unsettled)
            again = await client.chat(**SAMPLE)
            return found, health, again, booked(engine)

    found, health, again, rows = run(asked())
    *good, refused = found
    assert len(good) > 3 and health.status == again.status == 200
    assert refused.status == 503 and refused.error["code"] == "accounts_unavailable"
    assert int(refused.headers["retry-after"]) >= 1
    paid = [answer.data["usage"]["completion_tokens"] for answer in (*good, again)]
    assert rows == [("settled", "answered", tokens) for tokens in paid]


def test_a_reader_that_takes_nothing_is_dropped_and_accounted_once(tmp_path: Path):
    sent = 0

    async def asked() -> tuple[list[Any], int, int]:
        async with server(engine=PacedEngine(says, seconds=WAIT), folder=tmp_path) as (_, service):
            assert service.book is not None
            ask = Ask(turns=(("user", "?"),), budget=service.dial.of_name("low"), deadline=time.monotonic() + WAIT)

            async def pieces() -> AsyncIterator[bytes]:
                nonlocal sent
                async with service.exchange(Caller(), [ask], "chat", "slow"):
                    while True:
                        yield b"x" * 65_536
                        sent += 1
                        await asyncio.sleep(0)

            async def app(scope: Any, receive: Any, send: Any) -> None:
                await EventStream(pieces(), patience=0.3)(scope, receive, send)

            async with listening(app, slow_reader=0.3) as port:
                with socket.socket() as slow:
                    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                    slow.setblocking(False)
                    await asyncio.get_running_loop().sock_connect(slow, ("127.0.0.1", port))
                    await asyncio.get_running_loop().sock_sendall(slow, b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
                    await until(lambda: sent and not service.gate.running)
                    # The connection is cut, and not only closed to those who read.
                    with pytest.raises((ConnectionResetError, BrokenPipeError)):
                        await asyncio.wait_for(insisting(slow), WAIT)
            return booked(service.book._engine), sent, service.gate.running

    rows, sent, running = run(asked())
    assert [row[:2] for row in rows] == [("settled", "cancelled")] and running == 0
    assert sent < 400  # what the sockets of both sides hold, and not what there was to send


def test_requests_that_never_become_whole_end_in_an_error_object(tmp_path: Path):
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    health = b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n"

    async def asked() -> tuple[list[bytes], list[Any]]:
        async with server(folder=tmp_path, upload=0.3) as (client, service), listening(client.app, upload=0.3) as port:
            assert service.book is not None

            async def sent(*pieces: bytes, leave: bool = False) -> bytes:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                for piece in pieces:
                    writer.write(piece)
                    await asyncio.sleep(0.1)
                found = b"" if leave else await asyncio.wait_for(reader.read(), WAIT)
                writer.close()
                return found

            found = [
                await sent(head + b"content-length: 100\r\n\r\n{"),  # half a body, and never the rest
                await sent(head + b"content-length: 100\r\n\r\n{", leave=True),
                await sent(b"\x16\x03\x01\x02\x00 this is no HTTP\r\n\r\n"),
                await sent(b"GET /" + b"x" * 20_000),
                await sent(health, b"GET /hea"),  # the second request of a connection
            ]
            assert (await client.chat(**SAMPLE)).status == 200
            return found, booked(service.book._engine)

    (half, _, other, long, second), rows = run(asked())
    for answer, status in ((half, b" 408 "), (other, b" 400 "), (long, b" 400 ")):
        top, _, body = answer.partition(b"\r\n\r\n")
        assert status in top.split(b"\r\n")[0] and set(json.loads(body)["error"]) == {
            "message",
            "type",
            "param",
            "code",
        }
    assert second.count(b"200 OK") == 1
    assert [row[:2] for row in rows] == [("settled", "answered")]


def test_an_engine_whose_loop_dies_is_told_at_once_and_leaves_no_account_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def script(_: str, __: Any) -> str:
        raise SystemExit(1)

    async def asked() -> tuple[list[Answer], Answer, list[Any]]:
        engine = PacedEngine(script, seconds=0.2)
        async with server(engine=engine, folder=tmp_path) as (client, service):
            assert service.book is not None
            both = await asyncio.gather(client.chat(**SAMPLE), client.chat(**SAMPLE))
            await until(lambda: not service.thinker.alive)
            return [*both, await client.chat()], await client.get("/health"), booked(service.book._engine)

    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    answers, health, rows = run(asked())
    assert health.status == 503 and all(answer.status >= 500 and answer.error for answer in answers)
    assert answers[-1].error["code"] == "engine_down"
    assert all(state == "settled" for state, *_ in rows) and len(rows) in (2, 3)


def test_an_engine_that_does_not_come_back_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A step that hangs: neither its deadline nor a cancel is heard. The request ends, and its place is free again."""
    go_on = threading.Event()

    def script(_: str, __: Any) -> str:
        go_on.wait(WAIT)
        return "1\n</think>7"

    async def asked() -> tuple[Answer, list[Any], int]:
        async with server(script, folder=tmp_path) as (client, service):
            assert service.book is not None
            answer = await client.chat(ponder={"strategy": "sample", "seconds": 0.1})
            rows, running = booked(service.book._engine), service.gate.running
            go_on.set()
            return answer, rows, running

    monkeypatch.setattr("ponder.serving.service._TOTAL_WAIT", 0.1)
    monkeypatch.setattr("ponder.serving.service._LAST_WAIT", 0.1)
    answer, rows, running = run(asked())
    assert answer.status == 504 and answer.error["code"] == "deadline" and running == 0
    assert rows == [("settled", "failed", 0)]


def test_a_server_behind_this_one_that_is_killed(tmp_path: Path):
    """The other process gets SIGKILL in the middle of an answer; nobody waits for it to the deadline."""
    faulty = Path(__file__).parents[1] / "engines" / "remote" / "server.py"

    async def asked() -> tuple[list[Answer], list[Any]]:
        with subprocess.Popen([sys.executable, str(faulty)], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
            assert other.stdout is not None
            port = int(await asyncio.to_thread(other.stdout.readline))
            source = load_source(f"http://127.0.0.1:{port}/v1#slow/killed")
            engine = source.propose.engine  # type: ignore[attr-defined]  # a TextPropose has one
            engine.client.sleep = _no_wait
            mind = Thinker(source, None, "toy")
            book = Book(open_database(sqlite_url(tmp_path)), Offer(), tmp_path)
            service = Service(mind, Limits(), book=book)
            book.start()
            mind.start()
            client = Client(build(service))
            try:
                running = asyncio.create_task(client.chat(**SAMPLE))
                await until(lambda: engine.client.sent > 0)
                other.kill()
                found = [await asyncio.wait_for(running, WAIT)]
                for _ in range(5):
                    found.append(await client.chat(**SAMPLE))
                return found, booked(book._engine)
            finally:
                await asyncio.to_thread(mind.close)
                await asyncio.to_thread(book.close)

    found, rows = run(asked())
    assert [answer.status for answer in found] == [502] * 5 + [503]  # the circuit is open in the end
    assert found[0].error["code"] == "engine_error" and found[-1].error["code"] == "engine_down"
    assert [row[:2] for row in rows] == [("settled", "failed")] * 5


async def _no_wait(_: float) -> None:
    pass


def test_a_thinker_that_is_not_alive_takes_nothing():
    mind = Thinker(load_source("http://127.0.0.1:9/v1#none"), None, "toy")
    with pytest.raises(ApiError, match="started again"):
        mind.think(Ask(turns=(("user", "?"),), budget=None, deadline=0.0))  # type: ignore[arg-type]
