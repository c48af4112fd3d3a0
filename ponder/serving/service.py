"""One request from its acceptance to its account: a place, the searches of all its choices, the bill, the tree.

`exchange` is the only way to an answer. Whatever happens in it, what was accepted is accounted once when it is left.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from ponder.serving.accounts.book import Book, Entry
from ponder.serving.caller import Caller, Price
from ponder.serving.circuit import Circuit
from ponder.serving.dial import Dial
from ponder.serving.errors import ApiError
from ponder.serving.gate import Gate
from ponder.serving.metrics import Metrics
from ponder.serving.settings import Limits
from ponder.serving.store import Store
from ponder.serving.thinking.ask import Ask
from ponder.serving.thinking.bill import Bill
from ponder.serving.thinking.reply import Reply, failed
from ponder.serving.thinking.running import Running
from ponder.serving.thinking.thinker import Thinker

_TOTAL_WAIT = 10.0  # seconds beyond a deadline in which a search must have told its end
_LAST_WAIT = 60.0  # seconds that a search which was told to stop may take to tell its bill


@dataclass(eq=False)
class Exchange:
    """A request that was accepted: its searches while they run, and what became of them."""

    id: str
    caller: Caller
    asks: tuple[Ask, ...]
    searches: list[Running] = field(default_factory=list)
    replies: tuple[Reply, ...] = ()
    price: float | None = None

    async def answers(self) -> tuple[Reply, ...]:
        """Wait for all choices. Raises the error of the first that failed without an answer."""
        latest = max(ask.deadline for ask in self.asks) + _TOTAL_WAIT
        try:
            async with asyncio.timeout(max(0.0, latest - time.monotonic())):
                self.replies = tuple(await asyncio.gather(*(asyncio.shield(each.done) for each in self.searches)))
        except TimeoutError:
            raise ApiError(504, "the model did not answer in time", code="deadline", retry=False) from None
        for reply in self.replies:
            if reply.error is not None:
                raise reply.error
        return self.replies

    @property
    def bill(self) -> Bill:
        """What the request cost so far: the sum over its choices, with the prompt once."""
        total = Bill(limit=0.0)
        for reply in self.replies:
            total = total + reply.bill
        return replace(total, prompt=max((reply.bill.prompt for reply in self.replies), default=0))


class Service:
    """What a server consists of; `circuit` is open for a while after an engine failed several times in a row."""

    def __init__(
        self,
        thinker: Thinker,
        limits: Limits,
        *,
        book: Book | None = None,
        dial: Dial | None = None,
        price: Price | None = None,
    ) -> None:
        self.thinker, self.limits, self.book, self.price = thinker, limits, book, price
        self.dial = dial or Dial(limits.max_tokens, limits.budget)
        self.gate = Gate(limits.searches, limits.waiting)
        self.trees: Store[str] = Store(limits.trees << 20)
        self.circuit = Circuit()
        self.metrics = Metrics(self.state)
        self.started = int(time.time())

    def state(self) -> dict[str, float]:
        """The server in numbers, for its metrics."""
        engine = {f"engine_{name}_total": count for name, count in self.thinker.counters.items()}
        return {
            "running": self.gate.running,
            "waiting": self.gate.waiting,
            "engine_active": self.thinker.active or 0,
            "weights_version": self.thinker.version,
            "trees_kept": len(self.trees),
            "circuit_open": int(self.circuit.is_open),
            "unsettled": 0 if self.book is None else self.book.unsettled,
            **engine,
            "engine_seconds_busy_total": self.thinker.seconds_busy,
        }

    @asynccontextmanager
    async def exchange(self, caller: Caller, asks: Sequence[Ask], kind: str, id: str) -> AsyncIterator[Exchange]:
        """Take a request on. ApiError at once if it cannot be."""
        exchange = Exchange(id, caller, tuple(asks))
        self.circuit.check()
        deadline = min(ask.deadline for ask in asks)
        async with self.gate.place(caller.id, deadline, most=caller.tier.concurrent):
            await self._accept(exchange, kind)
            try:
                exchange.searches = [self.thinker.think(ask) for ask in asks]
                yield exchange
            finally:
                await asyncio.shield(self._end(exchange, kind))

    async def _accept(self, exchange: Exchange, kind: str) -> None:
        if self.book is not None:
            reserved = sum(ask.budget.tokens for ask in exchange.asks)
            await self.book.accept(Entry(exchange.id, exchange.caller, kind, self.thinker.name, reserved))

    async def _end(self, exchange: Exchange, kind: str) -> None:
        """Whatever still runs is stopped for nobody waits for it; then the request is accounted."""
        open_now = [each.done for each in exchange.searches if not each.done.done()]
        for each in exchange.searches:
            if not each.done.done():
                each.cancel()
        if open_now:
            await asyncio.wait(open_now, timeout=_LAST_WAIT)
        replies = [each.done.result() if each.done.done() else _silent(each.ask) for each in exchange.searches]
        exchange.replies = tuple(replies or map(_silent, exchange.asks))
        await self.settle(exchange, kind)

    async def settle(self, exchange: Exchange, kind: str) -> None:
        """Write what the request cost into the book, once; a second call does nothing."""
        if exchange.price is not None or not exchange.replies:
            return
        bill = exchange.bill
        exchange.price = self.price.of(bill.prompt, bill.spent) if self.price is not None else 0.0
        for reply in exchange.replies:
            self.circuit.heard(reply.error)
        self.metrics.ended(kind, bill, exchange.replies)
        self._keep(exchange)
        if self.book is not None:
            await self.book.settle(exchange.id, exchange.caller, bill, exchange.price, exchange.replies[0])

    def _keep(self, exchange: Exchange) -> None:
        for number, reply in enumerate(exchange.replies):
            if reply.tree is not None:
                text = json.dumps(reply.tree.as_data())
                self.trees.put(tree_id(exchange.id, number), exchange.caller.id, text, len(text))


def _silent(ask: Ask) -> Reply:
    """Of a search that does not answer even to its end: its bill is not known, and nothing is charged."""
    error = ApiError(502, "the engine does not answer", code="engine_error", retry=True)
    return failed(error, Bill(limit=ask.budget.tokens), ask.strategy)


def new_id(kind: str) -> str:
    """An id that nobody can guess."""
    return f"{kind}-{secrets.token_hex(16)}"


def tree_id(id: str, choice: int) -> str:
    """The id of the tree of one choice."""
    return id if not choice else f"{id}-{choice}"
