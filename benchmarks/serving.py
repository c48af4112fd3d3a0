"""A server under load, as its clients see it: `python -m benchmarks.serving [--what load overload tiers]`.

`load`: 1, 8, 64 and 256 clients that ask again and again, plain answers (one sample) against a search of four longest
chains. `overload`: three times as many clients as there is room for: how fast are refusals, do the accepted ones keep
their deadline, is memory flat. `tiers`: two keys on one model, one with ten times the budget of the other: who is right
more often. The server is a process of its own on the same machine, with the embedded model and its own default limits.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import psutil

from ponder.api.problems import load_families
from ponder.verifiers.truth import GroundTruth

WHAT = ("load", "overload", "tiers")
QUESTION = "Make 18 from 3, 6, 1."
PLAIN = {"ponder": {"strategy": "sample"}, "reasoning_effort": "low"}
SEARCH = {"ponder": {"strategy": "vote"}, "reasoning_effort": "medium"}
TIERS = '[tiers.free]\nrequest = 400\neffort = "max"\n[tiers.paid]\nrequest = 4000\neffort = "max"\n'


class Server:
    """A `ponder serve` of its own; `keys` by tier where there are tiers."""

    def __init__(self, *options: str, tiers: str | None = None) -> None:
        self._folder = tempfile.TemporaryDirectory()
        data = Path(self._folder.name)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.keys: dict[str, str] = {}
        command = [sys.executable, "-m", "ponder"]
        more = ["--data", str(data)]
        if tiers is not None:
            (data / "tiers.toml").write_text(tiers)
            more += ["--tiers", str(data / "tiers.toml")]
            for tier in ("free", "paid"):
                made = [*command, "keys", "add", tier, "--tier", tier, "--json", *more]
                self.keys[tier] = json.loads(subprocess.run(made, check=True, capture_output=True).stdout)["key"]
        self.process = subprocess.Popen([*command, "serve", "tiny", "--port", str(self.port), *more, *options])

    async def __aenter__(self) -> Server:
        for _ in range(600):
            if (await self.ask("GET", "/health/ready", None))[0] == 200:
                await self.chat({})  # the first request compiles
                return self
            await asyncio.sleep(0.2)
        raise RuntimeError("the server did not start")

    async def __aexit__(self, *_: object) -> None:
        self.process.terminate()
        await asyncio.to_thread(self.process.wait, 60)
        self._folder.cleanup()

    async def chat(self, more: dict[str, Any], text: str = QUESTION, key: str = "") -> tuple[int, float, Any]:
        """Status, seconds and body of one request."""
        body = {"model": "tiny", "messages": [{"role": "user", "content": text}], **more}
        return await self.ask("POST", "/v1/chat/completions", body, key)

    async def ask(self, method: str, path: str, body: Any, key: str = "") -> tuple[int, float, Any]:
        """One request on a connection of its own; status 0 if there was none."""
        data = b"" if body is None else json.dumps(body).encode()
        head = f"{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nconnection: close\r\n"
        head += f"content-length: {len(data)}\r\n" + (f"authorization: Bearer {key}\r\n" if key else "")
        started = time.perf_counter()
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            writer.write(head.encode() + b"\r\n" + data)
            answer = await reader.read()
            writer.close()
        except OSError:
            return 0, time.perf_counter() - started, None
        took = time.perf_counter() - started
        top, _, rest = answer.partition(b"\r\n\r\n")
        if not top:
            return 0, took, None
        return int(top.split()[1]), took, json.loads(rest) if rest[:1] == b"{" else None

    @property
    def megabytes(self) -> float:
        """Resident memory."""
        return float(psutil.Process(self.process.pid).memory_info().rss / 1e6)


def quantiles(values: list[float]) -> dict[str, float]:
    """p50, p95 and p99 in seconds."""
    ranked = sorted(values) or [float("nan")]
    return {f"p{q}": round(ranked[min(len(ranked) - 1, int(len(ranked) * q / 100))], 3) for q in (50, 95, 99)}


async def clients(server: Server, number: int, seconds: float, more: dict[str, Any]) -> list[tuple[int, float, Any]]:
    """`number` clients that ask again and again for some seconds."""
    end, found = time.perf_counter() + seconds, list[tuple[int, float, Any]]()

    async def one(place: int) -> None:
        asked = 0
        while time.perf_counter() < end:
            found.append(await server.chat({**more, "seed": place * 100_000 + asked}))
            asked += 1
            if found[-1][0] != 200:
                await asyncio.sleep(0.2)  # a client that was refused waits a little; real ones wait for Retry-After

    await asyncio.gather(*(one(place) for place in range(number)))
    return found


async def load(seconds: float) -> dict[str, Any]:
    """Requests a second and their times, plain against search."""
    table: dict[str, Any] = {}
    async with Server() as server:
        for number in (1, 8, 64, 256):
            for name, more in (("plain", PLAIN), ("search", SEARCH)):
                started = time.perf_counter()
                found = await clients(server, number, seconds, more)
                took = time.perf_counter() - started
                good = [t for status, t, _ in found if status == 200]
                tokens = sum(body["usage"]["completion_tokens"] for status, _, body in found if status == 200)
                rates = {"requests_per_s": round(len(good) / took, 1), "tokens_per_s": round(tokens / took)}
                table[f"{name} {number}"] = {**rates, **quantiles(good), "refused": len(found) - len(good)}
    return table


async def overload(seconds: float) -> dict[str, Any]:
    """Three times as many clients as places and line together; 8 places and 16 in line, 30 s for a request."""
    async with Server("--searches", "8", "--waiting", "16", "--seconds", "30") as server:
        await clients(server, 24, 5, SEARCH)
        before = server.megabytes
        found = await clients(server, 72, seconds, SEARCH)
        after = server.megabytes
        started = time.perf_counter()
        while (await server.chat(PLAIN))[0] != 200:
            await asyncio.sleep(0.05)
        recovered = time.perf_counter() - started
    good = [t for status, t, _ in found if status == 200]
    refused = [t for status, t, _ in found if status in (429, 503)]
    return {
        "statuses": dict(Counter(str(status) for status, _, _ in found)),
        "accepted": {**quantiles(good), "longest": round(max(good), 2)},
        "refusals": quantiles(refused),
        "megabytes": [round(before), round(after)],
        "recovered_s": round(recovered, 2),
    }


async def tiers(problems: int) -> dict[str, Any]:
    """Accuracy by tier on the same problems."""
    families = load_families(["arithmetic?terms=7", "cipher", "countdown"])
    items = [family.problem(i, split="test") for family in families for i in range(problems)]
    truth = GroundTruth({family.name: family for family in families})
    found: dict[str, Any] = {}
    async with Server("--searches", "16", tiers=TIERS) as server:
        for tier, key in server.keys.items():
            places = asyncio.Semaphore(16)

            async def one(text: str, key: str = key, places: asyncio.Semaphore = places) -> tuple[int, float, Any]:
                async with places:
                    return await server.chat({"seed": 0}, text, key)

            answers = await asyncio.gather(*(one(item.question.text) for item in items))
            said = [f"</think>{body['choices'][0]['message']['content']}" for _, _, body in answers]
            verdicts = await asyncio.to_thread(truth.grade, items, said)
            right = [verdict.outcome or 0.0 for verdict in verdicts]
            spent = statistics.mean(body["usage"]["completion_tokens"] for _, _, body in answers)
            found[tier] = {"accuracy": round(statistics.mean(right), 3), "n": len(items), "mean_spent": round(spent)}
    return found


def main() -> None:
    """Run what is asked for and print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--what", nargs="+", choices=WHAT, default=list(WHAT))
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--problems", type=int, default=100, help="of each family, for tiers")
    given = parser.parse_args()
    for what in given.what:
        if what == "tiers":
            found = asyncio.run(tiers(given.problems))
        else:
            found = asyncio.run(load(given.seconds) if what == "load" else overload(given.seconds))
        print(json.dumps({what: found}, indent=1), flush=True)


if __name__ == "__main__":
    main()
