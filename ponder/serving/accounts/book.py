"""The account book at work: one thread writes, whatever waits goes into one transaction.

A request begins only after its acceptance is on the disk. Its settlement does not hold up its answer: where the
database is away it is kept and tried again, and at the end of the server it goes into a file that the next start
reads. Writing one twice changes nothing.
"""

from __future__ import annotations

import asyncio
import json
import logging
import queue
import secrets
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from ponder.runlog.files import append_line, read_jsonl
from ponder.serving.accounts import keys, ledger
from ponder.serving.accounts.database import reason
from ponder.serving.accounts.ledger import Entry as Entry
from ponder.serving.accounts.ledger import Settled
from ponder.serving.accounts.offer import Offer
from ponder.serving.caller import Caller
from ponder.serving.errors import ApiError
from ponder.serving.thinking.bill import Bill
from ponder.serving.thinking.reply import Reply

LEFT_OVER = "unsettled.jsonl"
_BATCH, _BEAT, _RETRY = 256, 10.0, 1.0
_log = logging.getLogger(__name__)


@dataclass
class _Job:
    work: Callable[[Connection], Any]
    future: Future[Any] = field(default_factory=Future)
    settled: Settled | None = None


class Book:
    """The book of one server; `folder` is where settlements go that no database takes (None: they are logged)."""

    def __init__(self, engine: Engine, offer: Offer, folder: Path | None = None) -> None:
        self.offer = offer
        self._engine, self._folder = engine, folder
        self.server = secrets.token_hex(8)
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._kept: list[Settled] = []
        self._thread = threading.Thread(target=self._write, name="accounts", daemon=True)
        self.failing = False

    @property
    def unsettled(self) -> int:
        """Settlements that wait for the database."""
        return len(self._kept)

    def start(self) -> None:
        """Take over what an earlier server could not write, and begin to write."""
        self._kept += self._left_over()
        self._thread.start()

    def close(self) -> None:
        """Write what waits, and end."""
        self._jobs.put(None)
        self._thread.join(timeout=60)
        self._engine.dispose()

    async def caller(self, key: str) -> Caller:
        """Whose key this is. ApiError 401 for none, 403 for a tier that is not offered any more."""
        found = await self._ask(lambda connection: keys.check(connection, key))
        if found is None:
            raise ApiError(401, "this is no valid key; ask whoever runs this server for one", code="invalid_api_key")
        tier = self.offer.tiers.get(found.tier)
        if tier is None:
            raise ApiError(403, f"the tier {found.tier!r} of this key is not offered any more", code="unknown_tier")
        return Caller(id=found.id, name=found.name, tier_name=found.tier, tier=tier)

    async def accept(self, entry: Entry) -> None:
        """Write a request down before anything is done for it. ApiError 429 for a quota, 503 without a database."""
        await self._ask(lambda connection: ledger.accept(connection, entry, self.server, ledger.now()))

    async def settle(self, id: str, caller: Caller, bill: Bill, price: float, reply: Reply) -> None:
        """Write down what a request came to. Never raises: what cannot be written now is written later."""
        settled = Settled(
            id,
            caller.id,
            reply.ending,
            reply.strategy,
            bill.prompt,
            bill.completion,
            bill.answer,
            bill.kept,
            bill.discarded,
            bill.verifier,
            bill.generated,
            bill.calls,
            bill.seconds,
            round(price * 1e6),
        )
        job = _Job(lambda connection: ledger.settle(connection, settled), settled=settled)
        self._jobs.put(job)
        await asyncio.wrap_future(job.future)

    async def account(self, caller: Caller) -> dict[str, int]:
        """What a key used."""
        found: dict[str, int] = await self._ask(lambda connection: ledger.used(connection, caller.id, ledger.now()))
        return found

    async def history(self, caller: Caller, limit: int) -> list[dict[str, Any]]:
        """The last requests of a key."""
        found: list[dict[str, Any]] = await self._ask(lambda connection: ledger.history(connection, caller.id, limit))
        return found

    async def _ask(self, work: Callable[[Connection], Any]) -> Any:
        job = _Job(work)
        self._jobs.put(job)
        return await asyncio.wrap_future(job.future)

    def _write(self) -> None:
        ended, beat = False, 0.0
        while not ended:
            jobs, ended = self._next()
            due = ledger.now() - beat > _BEAT
            if due or self._kept:
                beat = ledger.now() if self._between(due) else beat
            if jobs:
                self._transact(jobs)
        for _ in range(3):
            if self._between(False, leave=True):
                return
        self._leave_over()

    def _next(self) -> tuple[list[_Job], bool]:
        """The jobs that wait, after a wait for the first; whether the book is to be closed."""
        jobs: list[_Job] = []
        try:
            while len(jobs) < _BATCH:
                job = self._jobs.get(timeout=0 if jobs else _RETRY)
                if job is None:
                    return jobs, True
                jobs.append(job)
        except queue.Empty:
            pass
        return jobs, False

    def _transact(self, jobs: list[_Job]) -> None:
        """All jobs in one transaction; a refusal of one (a quota) has written nothing and concerns no other."""
        results: list[tuple[_Job, Any, BaseException | None]] = []
        try:
            with self._engine.begin() as connection:
                for job in jobs:
                    try:
                        results.append((job, job.work(connection), None))
                    except ApiError as error:
                        results.append((job, None, error))
            self.failing = False
        except (SQLAlchemyError, OSError) as broken:
            self._failed(jobs, broken)
            return
        for job, value, refusal in results:
            _resolve(job.future, value, refusal)

    def _failed(self, jobs: list[_Job], error: BaseException) -> None:
        if not self.failing:
            _log.error("accounts: %s", reason(error))
        self.failing = True
        away = ApiError(503, "the account book cannot be written at present", code="accounts_unavailable", wait=5.0)
        for job in jobs:
            if job.settled is not None:
                self._kept.append(job.settled)
                _resolve(job.future, None, None)
            else:
                _resolve(job.future, None, away)

    def _between(self, beat: bool, *, leave: bool = False) -> bool:
        """Try again what could not be settled, and give a sign of life; whether the database took it."""
        try:
            with self._engine.begin() as connection:
                for settled in self._kept:
                    ledger.settle(connection, settled)
                if beat and (lost := ledger.beat(connection, self.server, ledger.now())):
                    _log.warning("accounts: %d requests of a server that died are lost and charged nothing", lost)
                if leave:
                    ledger.leave(connection, self.server)
        except (SQLAlchemyError, OSError) as error:
            if not self.failing:
                _log.error("accounts: %s", reason(error))
            self.failing = True
            return False
        if self._kept:
            self._kept.clear()
            self._forget_left_over()
        self.failing = False
        return True

    def _left_over(self) -> list[Settled]:
        file = None if self._folder is None else self._folder / LEFT_OVER
        return [] if file is None or not file.exists() else [Settled(**row) for row in read_jsonl(file)]

    def _forget_left_over(self) -> None:
        if self._folder is not None:
            (self._folder / LEFT_OVER).unlink(missing_ok=True)

    def _leave_over(self) -> None:
        """The database is away for good: leave what was not written to the next start."""
        self._forget_left_over()
        for settled in self._kept:
            try:
                if self._folder is None:
                    raise OSError
                append_line(self._folder / LEFT_OVER, asdict(settled))
            except Exception:
                _log.error("accounts: never written down: %s", json.dumps(asdict(settled)))


def _resolve(future: Future[Any], value: Any, error: BaseException | None) -> None:
    if future.cancelled() or not future.set_running_or_notify_cancel():
        return
    future.set_exception(error) if error is not None else future.set_result(value)
