"""Plain answers and best of four on one model, ours beside others': vLLM's CPU server, and optillm in front of it.

    python -m benchmarks.serving_others --folder FOLDER --vllm http://127.0.0.1:8477/v1 [--optillm http://.../v1]

The others run already, each in an environment of its own (docs/serving.md has the commands); the model in FOLDER is the
one that vLLM serves, under the name `tiny`. Two servers of ours are started: over our own engine, and in front of vLLM.
All sides get the same problems, side by side in turns, with the same number of clients and the same longest chain.
Every answer is graded. Where all share few cores, only ratios within one run say anything.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import time
import urllib.request
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.served import Server, quantiles
from ponder.api.problems import load_families
from ponder.types import Problem
from ponder.verifiers.truth import GroundTruth

LONGEST = 400
OURS: dict[str, dict[str, Any]] = {
    "plain": {"ponder": {"strategy": "sample"}, "thinking_token_budget": LONGEST},
    "vote of four": {"ponder": {"strategy": "vote"}, "thinking_token_budget": 4 * LONGEST},
}
WAIT = 600.0
Ask = Callable[[str, int], Awaitable[str]]


@dataclass
class Side:
    """One way of asking, and what came of it. `ask` takes a text and a seed and gives the answer."""

    name: str
    ask: Ask
    seconds: list[float] = field(default_factory=list)
    right: list[float] = field(default_factory=list)
    walls: list[float] = field(default_factory=list)


def theirs(url: str, model: str, **more: Any) -> Ask:
    """An OpenAI-compatible server; its answer without the thinking."""

    def asked(text: str, seed: int) -> str:
        body = {"model": model, "messages": [{"role": "user", "content": text}], "max_tokens": LONGEST, "seed": seed}
        headers = {"content-type": "application/json", "authorization": "Bearer none"}
        request = urllib.request.Request(f"{url}/chat/completions", json.dumps({**body, **more}).encode(), headers)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=WAIT) as answer:
            return str(json.load(answer)["choices"][0]["message"]["content"] or "")

    return lambda text, seed: asyncio.to_thread(asked, text, seed)


def ours(server: Server, more: dict[str, Any]) -> Ask:
    """A server of ours."""

    async def ask(text: str, seed: int) -> str:
        status, _, body = await server.chat({**more, "seed": seed}, text)
        return str(body["choices"][0]["message"]["content"] or "") if status == 200 else ""

    return ask


async def turn(side: Side, items: list[Problem], clients: int, truth: GroundTruth, seed: int) -> None:
    """All problems once."""
    places, answers = asyncio.Semaphore(clients), dict[int, str]()

    async def one(place: int, item: Problem) -> None:
        async with places:
            started = time.perf_counter()
            answers[place] = await side.ask(item.question.text, seed + place)
            side.seconds.append(time.perf_counter() - started)

    started = time.perf_counter()
    await asyncio.gather(*(one(place, item) for place, item in enumerate(items)))
    side.walls.append(time.perf_counter() - started)
    said = [f"</think>{answers[place].rpartition('</think>')[2]}" for place in range(len(items))]
    verdicts = await asyncio.to_thread(truth.grade, items, said)
    side.right += [verdict.outcome or 0.0 for verdict in verdicts]


async def compared(folder: Path, vllm: str, optillm: str | None, problems: int, clients: int, rounds: int) -> Any:
    """A row for each side."""
    families = load_families(["arithmetic", "cipher", "countdown"])
    items = [family.problem(i, split="test") for family in families for i in range(problems)]
    truth = GroundTruth({family.name: family for family in families})
    longest = ("--max-tokens", str(LONGEST))
    async with (
        Server(*longest, model=str(folder)) as own,
        Server(*longest, model=f"{vllm}#tiny") as front,
    ):
        sides = [Side("vLLM, plain", theirs(vllm, "tiny"))]
        for name, more in OURS.items():
            sides.append(Side(f"ponder, {name}", ours(own, more)))
            sides.append(Side(f"ponder in front of vLLM, {name}", ours(front, more)))
        if optillm is not None:
            sides.append(Side("optillm in front of vLLM, best of four", theirs(optillm, "bon-tiny")))
        for at in range(rounds):
            for side in sides:
                await turn(side, items, clients, truth, 1000 * at)
                print(f"{side.name}: {side.walls[-1]:.1f} s for {len(items)} problems", flush=True)
    return {
        side.name: {
            "seconds": quantiles(side.seconds),
            "problems_per_s": round(len(items) / statistics.median(side.walls), 2),
            "right": f"{sum(side.right):.0f} of {len(side.right)}",
        }
        for side in sides
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--vllm", required=True)
    parser.add_argument("--optillm")
    parser.add_argument("--problems", type=int, default=10, help="of each of three families")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=2)
    given = parser.parse_args()
    found = asyncio.run(compared(given.folder, given.vllm, given.optillm, given.problems, given.clients, given.rounds))
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
