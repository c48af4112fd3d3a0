"""Rough treatment of a whole server: `python -m benchmarks.serving_faults [--what connections slow kill]`.

`connections`: ten thousand connections at once on this machine, of which most must be refused: how fast, and does a
request beside them still get its answer. `slow`: clients that read nothing of a long stream. `kill`: the server gets
SIGKILL with requests under way, and is started again: what does the account book say.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from typing import Any

from benchmarks.served import PLAIN, Server, quantiles, request

WHAT = ("connections", "slow", "kill")
HELD = 1000  # connections that a server takes by default


async def connections(number: int) -> dict[str, Any]:
    """All at once, each kept open until all were tried; every one asks for /health once all are there."""
    ask = request("GET", "/health", None)
    times, ends = list[float](), Counter[str]()
    tried = asyncio.Event()
    left = number

    async def one() -> None:
        nonlocal left
        started = time.perf_counter()
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        except OSError as error:
            ends[type(error).__name__] += 1
            return
        finally:
            left -= 1
            if not left:
                tried.set()
        try:
            first = asyncio.ensure_future(reader.read(1 << 16))
            await asyncio.wait([first, asyncio.ensure_future(tried.wait())], return_when=asyncio.FIRST_COMPLETED)
            if first.done():  # it was refused before it said anything
                times.append(time.perf_counter() - started)
            else:
                writer.write(ask)
            answer = await first
            ends[answer[9:12].decode() or "closed"] += 1
        except OSError as error:
            ends[type(error).__name__] += 1
        finally:
            writer.close()

    async with Server() as server:
        before = server.megabytes
        running = [asyncio.create_task(one()) for _ in range(number)]
        await tried.wait()
        status, beside, _ = await server.chat(PLAIN)
        await asyncio.gather(*running)
        after_status, after, _ = await server.chat(PLAIN)
        megabytes = server.megabytes
    return {
        "ends": dict(ends),
        "refused_s": quantiles(times),
        "request beside them": [status, round(beside, 3)],
        "request after them": [after_status, round(after, 3)],
        "megabytes": [round(before), round(megabytes)],
    }


async def slow(number: int) -> dict[str, Any]:
    """Readers that read nothing, beside one that does; a tree is large enough to fill their sockets, or is not."""
    async with Server("--searches", "16") as server:
        alone = [(await server.chat(PLAIN))[1] for _ in range(10)]
        body = {
            "model": "tiny",
            "messages": [{"role": "user", "content": "Make 18 from 3, 6, 1."}],
            "stream": True,
            "reasoning_effort": "high",
            "ponder": {"strategy": "vote", "show": "full", "progress": True},
        }
        writers = []
        for _ in range(number):
            _, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1024)  # and reads nothing
            writer.write(request("POST", "/v1/chat/completions", body))
            writers.append(writer)
        beside = [await server.chat(PLAIN) for _ in range(10)]
        for writer in writers:
            writer.close()
        return {"alone_s": quantiles(alone), "beside_s": quantiles([took for _, took, _ in beside])}


async def kill() -> dict[str, Any]:
    """Three requests that end, four that are under way; the book before, and a minute after the next start."""
    options = ("--searches", "8")
    long = {"reasoning_effort": "max", "ponder": {"strategy": "vote"}}
    async with Server(*options) as server:
        spent = [(await server.chat(PLAIN))[2]["usage"]["completion_tokens"] for _ in range(2)]
        running = [asyncio.create_task(server.chat({**long, "seed": seed})) for seed in range(4)]
        while (await server.ask("GET", "/health/ready", None))[2]["running"] < 4:
            await asyncio.sleep(0.02)
        server.process.kill()
        server.process.wait()
        told = [status for status, _, _ in await asyncio.gather(*running)]
        before = states(server)
        command = [sys.executable, "-m", "ponder", "serve", "tiny", "--port", str(server.port)]
        again = subprocess.Popen([*command, "--data", str(server.data)], stderr=subprocess.DEVNULL)
        end = time.monotonic() + 120
        while states(server).get("accepted") and time.monotonic() < end:
            await asyncio.sleep(1)
        after = states(server)
        again.terminate()
        again.wait(60)
    return {"answers of the four": told, "spent by those that ended": sum(spent), "before": before, "after": after}


def states(server: Server) -> dict[str, Any]:
    """Requests of the book by state, with what they are charged."""
    with sqlite3.connect(f"file:{server.data / 'accounts.db'}?mode=ro", uri=True) as book:
        rows = book.execute("SELECT state, COUNT(*), SUM(charged) FROM requests GROUP BY state").fetchall()
    book.close()
    return {state: [count, charged] for state, count, charged in rows}


def main() -> None:
    """Run what is asked for and print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--what", nargs="+", choices=WHAT, default=list(WHAT))
    parser.add_argument("--connections", type=int, default=10_000, help="needs as many open files (ulimit -n)")
    parser.add_argument("--readers", type=int, default=16)
    given = parser.parse_args()
    for what in given.what:
        asked: dict[str, Any] = {
            "connections": lambda: connections(given.connections),
            "slow": lambda: slow(given.readers),
            "kill": kill,
        }
        print(json.dumps({what: asyncio.run(asked[what]())}, indent=1), flush=True)


if __name__ == "__main__":
    main()
