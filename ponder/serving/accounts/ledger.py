"""The entries of the account book, as functions over one open transaction.

A request is written down as `accepted`, with what it may spend at most, before anything is done for it, and as
`settled` with what it spent when it is over. Quotas count the first until there is the second, so they hold while
requests run. What a server that was killed left as `accepted` becomes `lost` and is charged nothing: nobody knows what
was spent.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from ponder.serving.accounts.tables import KEYS, MONTHS, REQUESTS, SERVERS
from ponder.serving.caller import Caller
from ponder.serving.errors import ApiError

SILENT = 60.0  # seconds without a sign after which a server counts as dead
_MINUTE = 60.0


@dataclass(frozen=True)
class Entry:
    """A request that is about to be accepted; `reserved` is the most that it may spend."""

    id: str
    caller: Caller
    api: str
    model: str
    reserved: int


@dataclass(frozen=True)
class Settled:
    """What a request came to, in plain numbers; it can be written to a file and read back."""

    id: str
    key_id: str
    ending: str
    strategy: str
    prompt: int
    completion: int
    answer: int
    kept: float
    discarded: float
    verifier: float
    generated: int
    calls: int
    seconds: float
    micros: int


def accept(connection: Connection, entry: Entry, server: str, now: float) -> None:
    """Write a request down. ApiError 429 if a quota of its tier does not allow it."""
    if connection.dialect.name == "postgresql":  # one at a time for each key, whichever server it came to
        connection.execute(select(KEYS.c.id).where(KEYS.c.id == entry.caller.id).with_for_update())
    _check_quotas(connection, entry, now)
    row: dict[str, Any] = {
        "id": entry.id,
        "key_id": entry.caller.id,
        "server": server,
        "state": "accepted",
        "api": entry.api,
    }
    row |= {"model": entry.model, "created": now, "charged": entry.reserved, "reserved": entry.reserved}
    connection.execute(insert(REQUESTS).values(**row))


def settle(connection: Connection, settled: Settled) -> bool:
    """Write down what a request came to; False if that was done before. Adds it to the key's month."""
    values: dict[str, Any] = {k: v for k, v in asdict(settled).items() if k not in ("id", "key_id")}
    changed = connection.execute(
        update(REQUESTS)
        .where(REQUESTS.c.id == settled.id, REQUESTS.c.state.in_(("accepted", "lost")))
        .values(**values, state="settled", charged=settled.completion)
    )
    if not changed.rowcount:
        return False
    created = connection.execute(select(REQUESTS.c.created).where(REQUESTS.c.id == settled.id)).scalar_one()
    key = {"key_id": settled.key_id, "month": month_of(created)}
    found = connection.execute(
        update(MONTHS)
        .where(MONTHS.c.key_id == key["key_id"], MONTHS.c.month == key["month"])
        .values(
            requests=MONTHS.c.requests + 1,
            spent=MONTHS.c.spent + settled.completion,
            micros=MONTHS.c.micros + settled.micros,
        )
    )
    if not found.rowcount:
        connection.execute(insert(MONTHS).values(**key, requests=1, spent=settled.completion, micros=settled.micros))
    return True


def beat(connection: Connection, server: str, now: float) -> int:
    """A sign of life of this server; requests of servers that gave none for a minute are lost. Returns how many."""
    if not connection.execute(update(SERVERS).where(SERVERS.c.id == server).values(seen=now)).rowcount:
        connection.execute(insert(SERVERS).values(id=server, seen=now))
    alive = select(SERVERS.c.id).where(SERVERS.c.seen > now - SILENT)
    lost = connection.execute(
        update(REQUESTS)
        .where(REQUESTS.c.state == "accepted", REQUESTS.c.server.not_in(alive))
        .values(state="lost", charged=0)
    )
    connection.execute(delete(SERVERS).where(SERVERS.c.seen <= now - SILENT))
    return int(lost.rowcount)


def leave(connection: Connection, server: str) -> None:
    """The server ends, and has settled everything."""
    connection.execute(delete(SERVERS).where(SERVERS.c.id == server))


def used(connection: Connection, key_id: str, now: float) -> dict[str, int]:
    """What a key used in this minute and this month, running requests at their most."""
    recent = select(func.count(), func.coalesce(func.sum(REQUESTS.c.charged), 0)).where(
        REQUESTS.c.key_id == key_id, REQUESTS.c.created > now - _MINUTE
    )
    count, minute = connection.execute(recent).one()
    month = select(MONTHS.c.spent, MONTHS.c.requests, MONTHS.c.micros).where(
        MONTHS.c.key_id == key_id, MONTHS.c.month == month_of(now)
    )
    spent, requests, micros = connection.execute(month).first() or (0, 0, 0)
    running = select(func.coalesce(func.sum(REQUESTS.c.charged), 0), func.count()).where(
        REQUESTS.c.key_id == key_id, REQUESTS.c.state == "accepted"
    )
    reserved, under_way = connection.execute(running).one()
    return {
        "minute": int(minute),
        "minute_requests": int(count),
        "month": int(spent) + int(reserved),
        "month_requests": int(requests),
        "micros": int(micros),
        "running": int(under_way),
    }


def history(connection: Connection, key_id: str, limit: int) -> list[dict[str, Any]]:
    """The last requests of a key, the newest first."""
    asked = select(REQUESTS).where(REQUESTS.c.key_id == key_id).order_by(REQUESTS.c.created.desc()).limit(limit)
    hidden = ("server", "key_id", "charged")
    return [
        {name: value for name, value in row.items() if name not in hidden}
        for row in connection.execute(asked).mappings()
    ]


def month_of(moment: float) -> str:
    """The calendar month (UTC) of a moment."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m")


def _check_quotas(connection: Connection, entry: Entry, now: float) -> None:
    tier = entry.caller.tier
    if tier.minute is None and tier.month is None and tier.requests is None:
        return
    known = used(connection, entry.caller.id, now)
    if tier.month is not None and known["month"] + entry.reserved > tier.month:
        raise ApiError(
            429,
            f"this month's budget is {tier.month} token-equivalents; {known['month']} are used or set aside, and this "
            f"request may spend {entry.reserved}",
            kind="insufficient_quota",
            code="insufficient_quota",
            retry=False,
        )
    if tier.requests is not None and known["minute_requests"] + 1 > tier.requests:
        raise _too_fast(f"{tier.requests} requests")
    if tier.minute is not None and known["minute"] + entry.reserved > tier.minute:
        raise _too_fast(f"{tier.minute} token-equivalents")


def _too_fast(what: str) -> ApiError:
    return ApiError(429, f"this key may use {what} a minute", code="rate_limit_exceeded", wait=_MINUTE / 2)


def now() -> float:
    """Seconds since 1970: quotas are by the calendar."""
    return time.time()
