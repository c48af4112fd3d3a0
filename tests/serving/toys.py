"""Servers over a scripted engine: their model thinks in a few lines and answers with a number.

A request without a seed is drawn with one that nobody can foresee, so only the number of lines differs from draw to
draw: a test that names the answer would else fail once in a while.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import uvicorn
from transformers import AutoTokenizer

from ponder.api.policies import Codec, source_from_engine
from ponder.engines.scripted import Fault, ScriptedEngine
from ponder.models.load import place_of
from ponder.protocols import Completion, Judge, Request
from ponder.serving.accounts.book import Book
from ponder.serving.accounts.database import open_database, sqlite_url
from ponder.serving.accounts.offer import Offer
from ponder.serving.http.app import build
from ponder.serving.http.connections import bounded
from ponder.serving.service import Service
from ponder.serving.settings import Limits
from ponder.serving.thinking.thinker import Thinker
from tests.serving.asgi import Client

CODEC = Codec(AutoTokenizer.from_pretrained(place_of("tiny")))
Script = Callable[[str, random.Random], str]


def says(_: str, rng: random.Random) -> str:
    """The words of the toy."""
    thought = "\n".join(["1+2=3"] * rng.randrange(1, 4))
    return f"{thought}\n</think>7"


class PacedEngine(ScriptedEngine):
    """A scripted engine whose draws take `seconds` each, and that can be asked how many run."""

    def __init__(self, script: Script, *, seconds: float = 0.0, faults: Mapping[int, Fault] | None = None) -> None:
        super().__init__(CODEC, script, faults=faults)
        self.seconds, self.active = seconds, 0

    async def generate(self, request: Request) -> Completion:
        self.active += 1
        try:
            if self.seconds:
                await asyncio.sleep(self.seconds)
            return await super().generate(request)
        finally:
            self.active -= 1


@contextlib.asynccontextmanager
async def server(
    script: Script = says,
    *,
    seconds: float = 0.0,
    faults: Mapping[int, Fault] | None = None,
    judge: Judge | None = None,
    engine: Any = None,
    folder: Path | None = None,
    offer: Offer | None = None,
    keys: bool = False,
    runs: Path | None = None,
    **limits: Any,
) -> AsyncIterator[tuple[Client, Service]]:
    """A client and what it asks. With `folder` there is an account book in it."""
    made = engine or PacedEngine(script, seconds=seconds, faults=faults)
    thinker = Thinker(source_from_engine("toy", made, CODEC), judge, "toy", verifier="toy" if judge else None)
    book = None
    if folder is not None:
        book = Book(open_database(sqlite_url(folder)), offer or Offer(), folder)
        book.start()
    price = None if offer is None else offer.price
    service = Service(thinker, Limits(**{"max_tokens": 80, "budget": 5120, **limits}), book=book, price=price)
    thinker.start()
    try:
        yield Client(build(service, keys=keys, runs=runs)), service
    finally:
        await asyncio.to_thread(thinker.close)
        if book is not None:
            await asyncio.to_thread(book.close)


@contextlib.asynccontextmanager
async def listening(app: Any, **limits: Any) -> AsyncIterator[int]:
    """The port on which an application answers over real connections."""
    config = uvicorn.Config(
        app,
        port=0,
        lifespan="off",
        log_level="critical",
        http=bounded(Limits(**limits)),
        h11_max_incomplete_event_size=16_000,
        timeout_graceful_shutdown=5,
    )
    running = uvicorn.Server(config)
    task = asyncio.create_task(running.serve())
    while not running.started:
        await asyncio.sleep(0.01)
    try:
        yield running.servers[0].sockets[0].getsockname()[1]
    finally:
        running.should_exit = True
        await task
