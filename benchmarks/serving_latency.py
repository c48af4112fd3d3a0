"""From a request to its answer, by strategy: how long, and where the time goes. `python -m benchmarks.serving_latency`

One client at a time asks a server with the embedded model, as a stream. Of every request: the time to the first byte,
to the first event that is not a comment, and to the answer; of all of a strategy's requests together, where the time
went: in the engine (its own clock), in the search around it (the search's seconds less the engine's), and in the server
(HTTP, the account book, the tree, the reply: what the client waited less the search's seconds).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import time
from dataclasses import dataclass
from typing import Any

from benchmarks.machine import RESULTS, about, keep
from benchmarks.served import QUESTION, Server, quantiles, request

STRATEGIES = ("none", "sample", "vote", "auto", "revision", "beam", "mcts")


@dataclass(frozen=True)
class Took:
    """Seconds of one request, the search's own among them, and what it spent."""

    first_byte: float
    first_event: float
    answer: float
    search: float
    spent: float


async def timed(server: Server, more: dict[str, Any]) -> Took:
    """One stream."""
    body = {
        "model": server.name,
        "messages": [{"role": "user", "content": QUESTION}],
        "stream": True,
        "stream_options": {"include_usage": True},
        **more,
    }
    started = time.perf_counter()
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(request("POST", "/v1/chat/completions", body))
    await reader.readuntil(b"\r\n\r\n")
    first_byte, first_event, answer, told = time.perf_counter() - started, 0.0, 0.0, dict[str, Any]()
    async for line in reader:
        if not line.startswith(b"data: {"):
            continue
        first_event = first_event or time.perf_counter() - started
        event = json.loads(line[6:])
        if event.get("error"):
            raise RuntimeError(str(event["error"]))
        if any(choice["delta"].get("content") for choice in event["choices"]):
            answer = answer or time.perf_counter() - started
        told |= (event.get("usage") or {}).get("ponder", {})
    writer.close()
    return Took(first_byte, first_event, answer or time.perf_counter() - started, told["seconds"], told["spent"])


async def busy(server: Server) -> float:
    """Seconds that the engine worked so far."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(request("GET", "/metrics", None))
    text = (await reader.read()).decode()
    writer.close()
    return float(
        next(line for line in text.splitlines() if "seconds_busy_total " in line and line[0] != "#").split()[1]
    )


async def measured(requests: int, effort: str, strategies: tuple[str, ...]) -> dict[str, Any]:
    """A row for each strategy. A strategy that needs a verifier is left out where the server has none."""
    found: dict[str, Any] = {}
    async with Server() as server:
        able = (await server.ask("GET", "/v1/models", None))[2]["data"][0]["ponder"]["strategies"]
        for name in strategies:
            if name not in ("none", *able):
                continue
            chosen = {"reasoning_effort": "none"} if name == "none" else {"ponder": {"strategy": name}}
            more = {"reasoning_effort": effort, **chosen}
            await timed(server, {**more, "seed": 10_000})
            before = await busy(server)
            took = [await timed(server, {**more, "seed": seed}) for seed in range(requests)]
            engine = (await busy(server) - before) / requests
            search, answer = (statistics.mean(getattr(t, part) for t in took) for part in ("search", "answer"))
            found[name] = {
                "answer_ms": {k: round(1000 * v, 1) for k, v in quantiles([t.answer for t in took]).items()},
                "first_byte_ms": round(1000 * statistics.median(t.first_byte for t in took), 1),
                "first_event_ms": round(1000 * statistics.median(t.first_event for t in took), 1),
                "mean_ms": round(1000 * answer, 1),
                "engine_ms": round(1000 * engine, 1),
                "around_it_ms": round(1000 * (search - engine), 1),
                "server_ms": round(1000 * (answer - search), 1),
                "spent": round(statistics.mean(t.spent for t in took)),
            }
            print(json.dumps({name: found[name]}), flush=True)
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=20)
    parser.add_argument("--effort", default="medium")
    parser.add_argument("--strategies", nargs="+", default=STRATEGIES)
    parser.add_argument("--keep", action="store_true", help="write benchmarks/results/serving_latency.json")
    given = parser.parse_args()
    found = asyncio.run(measured(given.requests, given.effort, tuple(given.strategies)))
    if given.keep:
        keep(RESULTS / "serving_latency.json", {**about(), "latency": found})


if __name__ == "__main__":
    main()
