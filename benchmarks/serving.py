"""A server under load, as its clients see it: `python -m benchmarks.serving [--what load overload tiers] [--keep]`.

`load`: 1, 8, 64 and 256 clients that ask again and again, plain answers (one sample) against a search of four longest
chains. `overload`: three times as many clients as there is room for: how fast are refusals, do the accepted ones keep
their deadline, is memory flat. `tiers`: two keys on one model, one with ten times the budget of the other: who is right
more often. The server is a process of its own on the same machine, with the embedded model and its own default limits.
`--keep` writes each part to `benchmarks/results/` when it is done.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import time
from collections import Counter
from collections.abc import Coroutine
from dataclasses import asdict
from typing import Any

from benchmarks.machine import RESULTS, about, keep
from benchmarks.served import PLAIN, SEARCH, Asked, Server, clients, quantiles
from ponder.api.problems import load_families
from ponder.evaluation.intervals import mean_interval, paired_interval
from ponder.verifiers.truth import GroundTruth

WHAT = ("load", "overload", "tiers")
TIERS = '[tiers.free]\nrequest = 400\neffort = "max"\n[tiers.paid]\nrequest = 4000\neffort = "max"\n'
DEADLINE = 30.0  # seconds for a request under overload
BLINK = 0.25  # seconds between two looks at the server's memory


async def load(seconds: float, numbers: tuple[int, ...] = (1, 8, 64, 256)) -> dict[str, Any]:
    """Requests a second and their times, plain against search."""
    table: dict[str, Any] = {}
    async with Server() as server:
        for number in numbers:
            for name, more in (("plain", PLAIN), ("search", SEARCH)):
                row: dict[str, Any] = {}
                started = time.perf_counter()
                with server.shares(row):
                    found = await clients(server, number, seconds, more)
                took = time.perf_counter() - started
                good = [t for status, t, _ in found if status == 200]
                tokens = sum(body["usage"]["completion_tokens"] for status, _, body in found if status == 200)
                rates = {"requests_per_s": round(len(good) / took, 1), "tokens_per_s": round(tokens / took)}
                row |= {**rates, **quantiles(good), "answered": len(good), "refused": len(found) - len(good)}
                table[f"{name} {number}"] = row
                print(json.dumps({f"{name} {number}": row}), flush=True)
    return table


async def overload(seconds: float) -> dict[str, Any]:
    """Three times as many clients as places and line together; 8 places and 16 in line."""
    row: dict[str, Any] = {}
    async with Server("--searches", "8", "--waiting", "16", "--seconds", f"{DEADLINE:g}") as server:
        await clients(server, 24, 5, SEARCH)
        memory = list[float]()

        async def looked() -> None:
            while True:
                memory.append(server.megabytes)
                await asyncio.sleep(BLINK)

        looking = asyncio.create_task(looked())
        with server.shares(row):
            found = await clients(server, 72, seconds, SEARCH)
        looking.cancel()
        started = time.perf_counter()
        while (await server.chat(PLAIN))[0] != 200:
            await asyncio.sleep(0.05)
        recovered = time.perf_counter() - started
    good = [t for status, t, _ in found if status == 200]
    refused = [t for status, t, _ in found if status in (429, 503)]
    return {
        **row,
        "statuses": dict(Counter(str(status) for status, _, _ in found)),
        "accepted": {**quantiles(good), "longest": round(max(good), 2), "late": sum(t > DEADLINE for t in good)},
        "refusals": {**quantiles(refused), "longest": round(max(refused), 3)},
        "megabytes": {f"at {share} %": round(_at(memory, share)) for share in (0, 25, 50, 75, 100)},
        "recovered_s": round(recovered, 2),
    }


def _at(values: list[float], share: int) -> float:
    return values[min(len(values) - 1, len(values) * share // 100)]


async def tiers(problems: int) -> dict[str, Any]:
    """Accuracy by tier on the same problems, with 95 % intervals (bootstrap over problems)."""
    families = load_families(["arithmetic?terms=7", "cipher", "countdown"])
    items = [family.problem(i, split="test") for family in families for i in range(problems)]
    truth = GroundTruth({family.name: family for family in families})
    found: dict[str, Any] = {}
    right: dict[str, list[float]] = {}
    async with Server("--searches", "16", "--seconds", "600", tiers=TIERS) as server:
        for tier, key in server.keys.items():
            places = asyncio.Semaphore(16)

            async def one(text: str, key: str = key, places: asyncio.Semaphore = places) -> Asked:
                async with places:
                    return await server.chat({"seed": 0}, text, key)

            answers = await asyncio.gather(*(one(item.question.text) for item in items))
            if failed := [body for status, _, body in answers if status != 200]:
                raise RuntimeError(f"{len(failed)} of {len(answers)} requests failed, the first with {failed[0]}")
            said = [f"</think>{body['choices'][0]['message']['content']}" for _, _, body in answers]
            verdicts = await asyncio.to_thread(truth.grade, items, said)
            right[tier] = [verdict.outcome or 0.0 for verdict in verdicts]
            spent = [body["usage"]["completion_tokens"] for _, _, body in answers]
            found[tier] = {
                "accuracy": _percent(mean_interval(right[tier])),
                "by_family": {
                    family.name: _percent(mean_interval(right[tier][i * problems : (i + 1) * problems]))
                    for i, family in enumerate(families)
                },
                "mean_spent": round(statistics.mean(spent)),
                "most_spent": max(spent),
                "seconds": quantiles([took for _, took, _ in answers]),
            }
    return {**found, "paid minus free": _percent(paired_interval(right["free"], right["paid"])), "n": len(items)}


def _percent(interval: Any) -> dict[str, float]:
    return {name: round(100 * value, 1) if name != "n" else value for name, value in asdict(interval).items()}


def main() -> None:
    """Run what is asked for and print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--what", nargs="+", choices=WHAT, default=list(WHAT))
    parser.add_argument("--seconds", type=float, default=20.0, help="of each line of load")
    parser.add_argument("--overload-seconds", type=float, default=120.0)
    parser.add_argument("--problems", type=int, default=100, help="of each family, for tiers")
    parser.add_argument("--keep", action="store_true", help="write benchmarks/results/serving_WHAT.json")
    given = parser.parse_args()
    for what in given.what:
        asked: Coroutine[Any, Any, dict[str, Any]]
        if what == "load":
            asked = load(given.seconds)
        elif what == "overload":
            asked = overload(given.overload_seconds)
        else:
            asked = tiers(given.problems)
        found = asyncio.run(asked)
        print(json.dumps({what: found}, indent=1), flush=True)
        if given.keep:
            keep(RESULTS / f"serving_{what}.json", {**about(), what: found})


if __name__ == "__main__":
    main()
