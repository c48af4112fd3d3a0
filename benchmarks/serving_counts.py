"""Do bills agree with the engine? `python -m benchmarks.serving_counts --requests 10000 [--engine local]`

Requests of random strategies, budgets, numbers of choices and deadlines, of which a part leaves in the middle, run
against one server's core. For each: nothing above its cap, and the parts of the bill add up. For all: the sums of the
bills are the engine's own counters, to the token.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from transformers import AutoTokenizer

from ponder.api.policies import Codec, load_source, source_from_engine
from ponder.engines.scripted import ScriptedEngine
from ponder.models.load import place_of
from ponder.protocols import Completion, Price, Request
from ponder.search.registry import STRATEGIES
from ponder.serving.caller import Caller
from ponder.serving.chat.request import ChatRequest, asks
from ponder.serving.service import Exchange, Service, new_id
from ponder.serving.settings import Limits
from ponder.serving.thinking.thinker import Thinker
from ponder.types import Question, Trajectory, Verdict

QUESTIONS = ("Make 18 from 3, 6, 1.", "Compute 4+5*2-7.", "What is the sum?")
COUNTERS = ("generated", "prefilled", "reused")


class Judge:
    """A verifier with fractions in its price, whose scores are a function of the text; it breaks now and then."""

    def price(self, question: Question) -> Price:
        return Price(question=3.3, token=0.17, verdict=0.9)

    def extra(self, trajectory: Trajectory) -> float:
        return 0.9

    async def __call__(self, question: Question, trajectories: Sequence[Trajectory]) -> list[Verdict]:
        await asyncio.sleep(0)
        draws = [random.Random(t.text) for t in trajectories]
        if draws and draws[0].random() < 0.02:
            raise RuntimeError("the verifier broke")
        return [
            Verdict(score=d.random(), step_scores=(0.5,) * len(t.steps))
            for d, t in zip(draws, trajectories, strict=True)
        ]


class Jittery(ScriptedEngine):
    """A scripted engine whose draws end in another order than they began."""

    async def generate(self, request: Request) -> Completion:
        for _ in range(random.Random(request.seed).randrange(6)):
            await asyncio.sleep(0)
        return await super().generate(request)


def says(_: str, rng: random.Random) -> str:
    """Lines of thinking, then an answer; now and then it never ends its thinking."""
    lines = "\n".join(["1+2=3"] * rng.randrange(1, 9))
    return lines if rng.random() < 0.05 else f"{lines}\n</think>{rng.randrange(4)}"


def service(engine: str) -> Service:
    """A server's core over the scripted engine or the embedded model."""
    if engine == "local":
        source = load_source("tiny")
    else:
        codec = Codec(AutoTokenizer.from_pretrained(place_of("tiny")))
        source = source_from_engine("scripted", Jittery(codec, says), codec)
    return Service(Thinker(source, Judge(), "toy", verifier="toy"), Limits(max_tokens=80, budget=4000, searches=32))


def request(rng: random.Random) -> dict[str, Any]:
    """What one request asks."""
    body: dict[str, Any] = {"model": "toy", "messages": [{"role": "user", "content": rng.choice(QUESTIONS)}]}
    body |= {"seed": rng.randrange(1 << 30), "n": rng.choice([1, 1, 1, 2, 3])}
    body["thinking_token_budget"] = rng.choice([0, rng.randrange(3, 60), rng.randrange(40, 1200)])
    body["ponder"] = {"strategy": rng.choice(list(STRATEGIES))}
    if rng.random() < 0.1:
        body["ponder"]["seconds"] = rng.uniform(0.001, 0.2)
    if rng.random() < 0.2:
        body["max_tokens"] = rng.randrange(1, 200)
    if rng.random() < 0.1:
        body["response_format"] = {"type": "json_object"}
    return body


async def one(core: Service, body: dict[str, Any], leave: float | None, done: list[Exchange]) -> None:
    """Ask; `leave` seconds later (None: never) the client goes."""

    async def asked() -> None:
        wanted = asks(ChatRequest.model_validate(body), core.dial, Caller(), core.limits)
        async with core.exchange(Caller(), wanted, "chat", new_id("x")) as exchange:
            done.append(exchange)
            await exchange.answers()

    with contextlib.suppress(Exception, TimeoutError):
        async with asyncio.timeout(leave):
            await asked()


def wrong_with(exchange: Exchange) -> list[str]:
    """What is wrong with the bills of a request."""
    found = []
    for ask, reply in zip(exchange.asks, exchange.replies, strict=True):
        bill = reply.bill
        if bill.spent + bill.unsettled > ask.budget.tokens + 1e-6 or bill.completion > ask.budget.tokens:
            found.append(f"{bill.spent} of {ask.budget.tokens} by {reply.strategy} ({reply.ending})")
        if bill.kept + bill.discarded != bill.generated + bill.forced:
            found.append(f"{bill.kept} + {bill.discarded} != {bill.generated} + {bill.forced} by {reply.strategy}")
        if min(bill.kept, bill.discarded, bill.verifier, bill.forced, bill.reasoning, bill.answer) < 0:
            found.append(f"a part is negative by {reply.strategy} ({reply.ending}): {bill}")
    return found


async def measured(core: Service, requests: int, seed: int = 0, together: int = 32) -> dict[str, Any]:
    """Run so many requests; what was counted on both sides, and everything that is wrong."""
    rng, done, places = random.Random(seed), list[Exchange](), asyncio.Semaphore(together)
    core.thinker.start()
    before, started = core.thinker.counters, time.monotonic()

    async def placed(body: dict[str, Any], leave: float | None) -> None:
        async with places:
            await one(core, body, leave, done)

    leaves = [rng.uniform(0, 0.3) if rng.random() < 0.2 else None for _ in range(requests)]
    await asyncio.gather(*(placed(request(rng), leave) for leave in leaves))
    await asyncio.to_thread(core.thinker.close)
    after = core.thinker.counters
    replies = [reply for exchange in done for reply in exchange.replies]
    billed = {name: sum(getattr(reply.bill, name) for reply in replies) for name in COUNTERS}
    return {
        "requests": requests,
        "accepted": len(done),
        "choices": len(replies),
        "endings": dict(Counter(reply.ending for reply in replies)),
        "strategies": len({reply.strategy for reply in replies}),
        "engine": {name: after[f"tokens_{name}"] - before[f"tokens_{name}"] for name in COUNTERS},
        "billed": billed,
        # Answers without content although there was a budget to think: what the deadline left no time for, say.
        "empty": sum(
            not r.content and r.ending != "cancelled" and r.refusal is None and r.bill.limit >= 41 for r in replies
        ),
        "wrong": [line for exchange in done for line in wrong_with(exchange)],
        "seconds": round(time.monotonic() - started, 1),
    }


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--engine", choices=["scripted", "local"], default="scripted")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    print(json.dumps(asyncio.run(measured(service(given.engine), given.requests, given.seed)), indent=1))


if __name__ == "__main__":
    main()
