"""What is the same for all addresses: bodies, hosts, headers, health, connections, new weights without a restart."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from ponder.api.policies import load_policy, source_of
from ponder.learning.checkpoints.checkpoints import Checkpoints
from ponder.serving import follow
from ponder.serving.http.app import build
from ponder.serving.thinking.thinker import Thinker
from ponder.types import PonderError
from tests.serving.asgi import Answer, Client
from tests.serving.toys import listening, server

CHAT = "/v1/chat/completions"


def run(coroutine: Any) -> Any:
    return asyncio.run(coroutine)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"[]", 400),
        (b"null", 400),
        (b'{"model": NaN}', 400),
        (b'{"model": "\xff"}', 400),
        (b"[" * 100_000, 400),
        (b'{"a":' * 5_000, 400),
        (b'{"model": "toy"}', 400),
        (b'{"model": "other", "messages": [{"role": "user", "content": "?"}]}', 404),
        (b'{"model": "toy", "messages": [{"role": "user", "content": "' + b"x" * 2_000_000 + b'"}]}', 413),
    ],
)
def test_a_body_that_is_none_is_an_error_object_and_the_server_lives(body: bytes, status: int):
    async def asked() -> list[Answer]:
        async with server() as (client, _):
            return [await client.post(CHAT, body), await client.chat(reasoning_effort="none")]

    wrong, right = run(asked())
    assert wrong.status == status and set(wrong.error) == {"message", "type", "param", "code"}
    assert "Traceback" not in wrong.body.decode() and "/work" not in wrong.body.decode()
    assert right.status == 200


def test_other_types_addresses_methods_and_hosts_are_refused():
    async def asked() -> list[Answer]:
        async with server() as (client, service):
            local = Client(build(service, hosts=("localhost",)))
            return [
                await client.ask("POST", CHAT, {}, headers={"content-type": "text/plain"}),
                await client.get("/v1/nothing"),
                await client.get(CHAT),
                await client.get("/page/../secret"),
                await local.get("/health", host="evil.example:8000"),
                await local.get("/health", host="localhost:8000"),
                await client.get("/v1/models/toy"),
                await client.get("/v1/thinking/none"),
            ]

    answers = run(asked())
    assert [answer.status for answer in answers] == [415, 404, 405, 404, 421, 200, 200, 404]
    for answer in answers:
        assert answer.headers["x-content-type-options"] == "nosniff" and "x-request-id" in answer.headers
        assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert all(set(answer.data) == {"error"} for answer in answers if answer.status >= 400)


def test_what_the_server_says_of_itself():
    async def asked() -> list[Answer]:
        async with server() as (client, service):
            await client.chat(reasoning_effort="none")
            told = [await client.get(path) for path in ("/health/ready", "/metrics", "/docs", "/openapi.json", "/")]
            service.gate.close()
            return [*told, await client.get("/health/ready"), await client.chat()]

    ready, metrics, docs, schema, page, closed, refused = run(asked())
    assert (ready.status, closed.status, refused.status) == (200, 503, 503)
    assert refused.error["code"] == "shutting_down" and int(refused.headers["retry-after"]) >= 1
    assert b'ponder_requests_total{api="chat",ending="answered"} 1.0' in metrics.body
    assert b"thinking_token_budget" in docs.body and b"http://" not in page.body + docs.body
    fields = schema.data["paths"][CHAT]["post"]["requestBody"]["content"]["application/json"]["schema"]["properties"]
    assert {"messages", "reasoning_effort", "ponder"} <= fields.keys()


def test_connections_are_bounded_and_half_a_request_is_not_waited_for():
    async def asked() -> tuple[list[bytes], bytes, bytes]:
        async with server() as (client, _), listening(client.app, connections=5, upload=1.0) as port:
            held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(5)]
            held[0][1].write(b"GET /health HTTP/1.1\r\nhost: lo")  # and never the rest
            await asyncio.sleep(0.05)
            beyond = [await asyncio.open_connection("127.0.0.1", port) for _ in range(20)]
            refused = [await asyncio.wait_for(reader.read(), 60) for reader, _ in beyond]
            rest = await asyncio.wait_for(held[0][0].read(), 60)
            await asyncio.gather(*(reader.read() for reader, _ in held[1:]))
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
            answered = await asyncio.wait_for(reader.read(), 60)
            for _, each in (*held, *beyond):
                each.close()
            return refused, rest, answered

    refused, rest, answered = run(asked())
    assert all(b" 503 " in each and b"retry-after" in each and b"overloaded" in each for each in refused)
    assert rest == b"" and b"200 OK" in answered


def test_newer_weights_of_a_run_are_taken_without_a_restart(tmp_path: Path):
    policy = load_policy("tiny")
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    with_tensors = {"policy": dict(policy.model.state_dict())}

    async def followed() -> list[Any]:
        thinker = Thinker(source_of(policy), None, "tiny")
        thinker.start()
        try:
            follower = follow.Follower(thinker, checkpoints.folder)
            found: list[Any] = [await follower.look()]
            checkpoints.save(1, policy.model, policy.tokenizer, tensors=with_tensors, state={}, version=7)
            found += [await follower.look(), await follower.look(), thinker.version]
            return found
        finally:
            await asyncio.to_thread(thinker.close)

    assert run(followed()) == [False, True, False, 7]
    (tmp_path / "config.toml").write_text("")
    parts = follow.parts_of(str(tmp_path))
    assert parts.model.endswith("policy") and parts.name == tmp_path.name and parts.checkpoints == checkpoints.folder
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "config.toml").write_text("")
    with pytest.raises(PonderError, match="saved nothing"):
        follow.parts_of(str(empty))


def test_only_run_folders_that_the_operator_named_are_seen(tmp_path: Path):
    shown, other = tmp_path / "shown", tmp_path / "other"
    for folder in (shown / "one", shown / "no run", other):
        folder.mkdir(parents=True)
    for folder in (shown / "one", other):
        (folder / "config.toml").write_text("")
        (folder / "report.html").write_text("<h1>secret</h1>")
    (shown / "link").symlink_to(other)
    row = {"round": 0, "validation": {"a": 0.5, "b": float("nan")}, "solve_rate": 0.25, "ladder": [1, 2]}
    (shown / "one" / "metrics.jsonl").write_text(json.dumps({"round": None}) + "\n" + json.dumps(row) + "\ntorn")

    async def asked() -> list[Answer]:
        paths = ["/v1/runs", "/v1/runs/one", "/v1/runs/one/report", "/v1/runs/link", "/v1/runs/../other/report"]
        paths += ["/v1/runs/no run", "/v1/runs/.", "/v1/runs/%2e%2e/report", "/v1/runs/link/report"]
        async with server(runs=shown) as (client, _), server() as (bare, _):
            return [*[await client.get(path) for path in paths], await bare.get("/v1/runs")]

    listed, one, report, *others, none = run(asked())
    assert [each["name"] for each in listed.data["data"]] == ["one"] and none.data["data"] == []
    assert one.data["rows"] == [{"round": 0, "validation": {"a": 0.5}, "solve_rate": {"all": 0.25}}]
    assert one.data["rounds"] == 1 and not one.data["finished"] and report.body == b"<h1>secret</h1>"
    assert "script-src" not in report.headers["content-security-policy"]
    assert [answer.status for answer in others] == [404] * 6
