"""`ponder serve URL` in front of another server, over a real connection: that server is one of our own.

A model that somebody else serves thereby gets the dial: more budget, more answers, one bill.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from ponder.api.policies import load_source
from ponder.serving.http.app import build
from ponder.serving.service import Service
from ponder.serving.settings import Limits
from ponder.serving.thinking.thinker import Thinker
from tests.serving.asgi import Answer, Client
from tests.serving.toys import PacedEngine, listening, says, server


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy", "PONDER_API_KEY"):
        monkeypatch.delenv(name, raising=False)


@asynccontextmanager
async def in_front(port: int) -> AsyncIterator[tuple[Client, Service]]:
    thinker = Thinker(load_source(f"http://127.0.0.1:{port}/v1#toy"), None, "front")
    service = Service(thinker, Limits(max_tokens=80, budget=5120))
    thinker.start()
    try:
        yield Client(build(service)), service
    finally:
        await asyncio.to_thread(thinker.close)


async def ask(client: Client, **more: Any) -> Answer:
    return await client.post(
        "/v1/chat/completions", {"model": "front", "messages": [{"role": "user", "content": "3 + 4?"}], **more}
    )


def test_a_model_behind_another_server_gets_the_dial_and_one_bill():
    engine = PacedEngine(says)

    async def work() -> tuple[list[Answer], dict[str, Any], Answer]:
        async with server(engine=engine) as (other, behind), listening(other.app) as port, in_front(port) as front:
            client, service = front
            found = [
                await ask(client, reasoning_effort="low", ponder={"strategy": "sample"}),
                await ask(client, reasoning_effort="high", ponder={"strategy": "vote"}),
                await ask(client, reasoning_effort="medium", stream=True),
            ]
            models = (await client.get("/v1/models")).data["data"][0]["ponder"]
            tools = [{"type": "function", "function": {"name": "f"}}]
            refused = await ask(client, tools=tools)
            assert behind.gate.running == 0 and service.gate.running == 0
            return found, models, refused

    (plain, voted, stream), models, refused = asyncio.run(work())
    assert plain.data["choices"][0]["message"]["content"] == "7"
    assert voted.data["choices"][0]["message"]["content"] == "7"
    one, many = (answer.data["usage"]["ponder"] for answer in (plain, voted))
    assert one["calls"] == 1 and many["calls"] > 4 and one["limit"] == 80 and many["limit"] == 1280
    assert one["spent"] <= 80 < many["spent"] <= 1280 and one["exact"] and many["exact"]
    assert (
        stream.events
        and "".join(choice["delta"].get("content") or "" for event in stream.events for choice in event["choices"])
        == "7"
    )
    assert "mcts" not in models["strategies"] and not models["logprobs"]
    assert refused.status == 400 and refused.error["param"] == "tools"


def test_what_the_front_spends_is_what_the_server_behind_it_counted():
    async def work() -> tuple[float, float]:
        async with server(says) as (other, behind), listening(other.app) as port, in_front(port) as front:
            answer = await ask(front[0], reasoning_effort="medium", ponder={"strategy": "vote"})
            told = behind.metrics.text().decode().splitlines()
            fates = [line for line in told if line.startswith("ponder_tokens_total") and "prompt" not in line]
            return answer.data["usage"]["ponder"]["spent"], sum(float(line.split()[1]) for line in fates)

    spent, counted = asyncio.run(work())
    assert spent == counted > 0
