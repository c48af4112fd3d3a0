"""The tables of the account book, as the newest migration leaves them.

Of a key only a hash is kept. Of a request its numbers are kept, and neither what was asked nor what was answered.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, Index, Integer, MetaData, String, Table

METADATA = MetaData()

KEYS = Table(
    "keys",
    METADATA,
    Column("id", String(16), primary_key=True),
    Column("name", String(80), nullable=False),
    Column("hash", String(64), nullable=False),
    Column("tier", String(40), nullable=False),
    Column("created", Float, nullable=False),
    Column("revoked", Float),
)

# `charged` counts against quotas: what is reserved while a request runs, then what it spent. `micros` are millionths of
# the operator's currency. Times are seconds since 1970.
REQUESTS = Table(
    "requests",
    METADATA,
    Column("id", String(80), primary_key=True),
    Column("key_id", String(16), nullable=False),
    Column("server", String(40), nullable=False),
    Column("state", String(12), nullable=False),
    Column("api", String(12), nullable=False),
    Column("model", String(200), nullable=False),
    Column("created", Float, nullable=False),
    Column("charged", BigInteger, nullable=False),
    Column("reserved", BigInteger, nullable=False),
    Column("ending", String(12)),
    Column("strategy", String(40)),
    Column("prompt", BigInteger),
    Column("completion", BigInteger),
    Column("answer", BigInteger),
    Column("kept", Float),
    Column("discarded", Float),
    Column("verifier", Float),
    Column("generated", BigInteger),
    Column("calls", BigInteger),
    Column("seconds", Float),
    Column("micros", BigInteger),
    Index("requests_by_key", "key_id", "created"),
    Index("requests_by_state", "state", "key_id"),
)

MONTHS = Table(
    "months",
    METADATA,
    Column("key_id", String(16), primary_key=True),
    Column("month", String(7), primary_key=True),
    Column("requests", BigInteger, nullable=False),
    Column("spent", BigInteger, nullable=False),
    Column("micros", BigInteger, nullable=False),
)

SERVERS = Table(
    "servers",
    METADATA,
    Column("id", String(40), primary_key=True),
    Column("seen", Float, nullable=False),
)

SCHEMA = Table("schema_version", METADATA, Column("version", Integer, primary_key=True))
