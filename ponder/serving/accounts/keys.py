"""Keys: made once, shown once, kept as hashes.

A key is `pk-ID-SECRET`. The id finds the row; the secret (256 random bits) is hashed and compared in constant time,
with a row that never fits where there is none, so that the time of a refusal tells nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, func, select, update

from ponder.serving.accounts.tables import KEYS, MONTHS
from ponder.types import PonderError

_FORM = re.compile(r"pk-([0-9a-f]{12})-([A-Za-z0-9_-]{43})")
_NOBODY = "0" * 64


@dataclass(frozen=True)
class Key:
    """A key as it may be shown."""

    id: str
    name: str
    tier: str
    created: float
    revoked: float | None
    requests: int = 0
    spent: int = 0


def add(engine: Engine, name: str, tier: str) -> tuple[Key, str]:
    """Make a key; returned with it is its text, which nobody can read again later."""
    if not name.strip() or len(name) > 80:
        raise PonderError("a key needs a name of 1 to 80 characters, so that it can be told from others")
    id, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    key = Key(id, name.strip(), tier, time.time(), None)
    with engine.begin() as connection:
        row = {"id": id, "name": key.name, "hash": _hash(secret), "tier": tier, "created": key.created}
        connection.execute(KEYS.insert().values(**row))
    return key, f"pk-{id}-{secret}"


def listed(engine: Engine) -> list[Key]:
    """All keys, the oldest first, with what they used in all."""
    used = (
        select(MONTHS.c.key_id, func.sum(MONTHS.c.requests).label("n"), func.sum(MONTHS.c.spent).label("spent"))
        .group_by(MONTHS.c.key_id)
        .subquery()
    )
    columns = (KEYS.c.id, KEYS.c.name, KEYS.c.tier, KEYS.c.created, KEYS.c.revoked, used.c.n, used.c.spent)
    asked = select(*columns).outerjoin(used, used.c.key_id == KEYS.c.id).order_by(KEYS.c.created)
    with engine.connect() as connection:
        return [Key(*row[:5], int(row[5] or 0), int(row[6] or 0)) for row in connection.execute(asked)]


def revoke(engine: Engine, id: str) -> None:
    """Let a key be worth nothing from now on. PonderError if there is none of this id."""
    with engine.begin() as connection:
        changed = connection.execute(
            update(KEYS).where(KEYS.c.id == id, KEYS.c.revoked.is_(None)).values(revoked=time.time())
        )
        if not changed.rowcount:
            raise PonderError(f"there is no key {id!r} that could be revoked; `ponder keys list` shows all")


def check(connection: Connection, text: str) -> Key | None:
    """The key that `text` is; None if it is none or was revoked."""
    found = _FORM.fullmatch(text)
    id, secret = found.groups() if found else ("", "")
    row = connection.execute(select(KEYS).where(KEYS.c.id == id)).mappings().first()
    right = hmac.compare_digest(_hash(secret), _NOBODY if row is None else row["hash"])
    if not right or row is None or row["revoked"] is not None:
        return None
    return Key(row["id"], row["name"], row["tier"], row["created"], None)


def any_key(engine: Engine) -> bool:
    """Whether there is a key that is worth something."""
    with engine.connect() as connection:
        return connection.execute(select(KEYS.c.id).where(KEYS.c.revoked.is_(None)).limit(1)).first() is not None


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
