"""Opening the account book's database, SQLite or PostgreSQL, and bringing it to the newest version of its tables.

A migration is a list of statements that both databases understand; each runs once, in order, in one transaction. A
database of a newer version than this Ponder knows is refused and left alone.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DisconnectionError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import QueuePool

from ponder.names import install
from ponder.serving.accounts.tables import SCHEMA
from ponder.types import PonderError

FILE = "accounts.db"
_REQUEST = """CREATE TABLE requests (
    id VARCHAR(80) PRIMARY KEY, key_id VARCHAR(16) NOT NULL, server VARCHAR(40) NOT NULL, state VARCHAR(12) NOT NULL,
    api VARCHAR(12) NOT NULL, model VARCHAR(200) NOT NULL, created DOUBLE PRECISION NOT NULL, charged BIGINT NOT NULL,
    reserved BIGINT NOT NULL, ending VARCHAR(12), strategy VARCHAR(40), prompt BIGINT, completion BIGINT, answer BIGINT,
    kept DOUBLE PRECISION, discarded DOUBLE PRECISION, verifier DOUBLE PRECISION, calls BIGINT,
    seconds DOUBLE PRECISION, micros BIGINT)"""
MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE keys (id VARCHAR(16) PRIMARY KEY, name VARCHAR(80) NOT NULL, hash VARCHAR(64) NOT NULL,
        tier VARCHAR(40) NOT NULL, created DOUBLE PRECISION NOT NULL, revoked DOUBLE PRECISION)""",
        _REQUEST,
        "CREATE TABLE servers (id VARCHAR(40) PRIMARY KEY, seen DOUBLE PRECISION NOT NULL)",
        """CREATE TABLE months (key_id VARCHAR(16) NOT NULL, month VARCHAR(7) NOT NULL, requests BIGINT NOT NULL,
        spent BIGINT NOT NULL, micros BIGINT NOT NULL, PRIMARY KEY (key_id, month))""",
        "CREATE INDEX requests_by_key ON requests (key_id, created)",
    ),
    (  # the engine's own count beside what was charged, and the open requests of a key without a scan
        "ALTER TABLE requests ADD COLUMN generated BIGINT",
        "CREATE INDEX requests_by_state ON requests (state, key_id)",
    ),
)


def open_database(url: str) -> Engine:
    """The database at a URL of SQLAlchemy, with the newest tables. PonderError if it cannot be reached or is newer."""
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() == "postgresql" and "+" not in parsed.drivername:
            parsed = parsed.set(drivername="postgresql+psycopg")
        if parsed.get_backend_name() not in ("sqlite", "postgresql"):
            raise PonderError(f"--accounts {parsed.drivername}: the book is kept in SQLite or PostgreSQL")
        lite = parsed.get_backend_name() == "sqlite"
        engine = create_engine(parsed, poolclass=QueuePool, **(_ONE_FILE if lite else _PATIENCE))
    except (ArgumentError, NoSuchModuleError, ImportError) as error:
        raise PonderError(
            f"--accounts: not the URL of a database that can be opened ({error}); write sqlite:///FILE or "
            f"postgresql://USER@HOST/NAME ({install('serve')})"
        ) from None
    if lite:
        event.listen(engine, "connect", _prepare)
        event.listen(engine, "checkout", partial(_same_file, parsed.database or ""))
    try:
        with engine.begin() as connection:
            _migrate(connection)
    except SQLAlchemyError as error:
        raise PonderError(f"--accounts: {reason(error)}") from None
    return engine


def sqlite_url(folder: Path) -> str:
    """The book of a server whose data lie in a folder."""
    return f"sqlite:///{folder / FILE}"


def reason(error: BaseException) -> str:
    """The first line of what a driver says, without statements and parameters."""
    cause = getattr(error, "orig", None) or error
    return f"the database refused ({(str(cause).splitlines() or [type(cause).__name__])[0][:200]})"


# A connection is kept: closing the last one of a file copies its log into it, which takes as long as a commit.
_ONE_FILE: dict[str, Any] = {"pool_size": 1, "max_overflow": 2, "pool_timeout": 5}
_PATIENCE: dict[str, Any] = {
    "pool_size": 1,
    "max_overflow": 2,
    "pool_pre_ping": True,
    "pool_timeout": 5,
    "connect_args": {"connect_timeout": 3, "options": "-c statement_timeout=5000"},
}


def _migrate(connection: Connection) -> None:
    SCHEMA.create(connection, checkfirst=True)
    if connection.dialect.name == "postgresql":  # two servers that start at once
        connection.execute(text("LOCK TABLE schema_version IN ACCESS EXCLUSIVE MODE"))
    done = max(connection.execute(select(SCHEMA.c.version)).scalars(), default=0)
    if done > len(MIGRATIONS):
        raise PonderError(f"--accounts: the book is of version {done}, this Ponder knows {len(MIGRATIONS)}; update it")
    if not done and inspect(connection).has_table("requests"):
        raise PonderError("--accounts: the database holds tables of the same names that are not ours; give another one")
    for version, statements in enumerate(MIGRATIONS[done:], done + 1):
        for statement in statements:
            connection.execute(text(statement))
        connection.execute(SCHEMA.insert().values(version=version))


def _prepare(connection: Any, record: Any) -> None:
    """SQLite: readers beside a writer, every commit on the disk, a wait instead of an error when another one writes."""
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=5000"):
        connection.execute(f"PRAGMA {pragma}")
    (_, _, file), *_ = connection.execute("PRAGMA database_list").fetchall()
    record.info["file"] = _identity(file)


def _same_file(path: str, _: Any, record: Any, __: Any) -> None:
    """A kept connection to a file that was moved away or replaced would write where nobody reads: open it anew."""
    if _identity(path) != record.info.get("file"):
        raise DisconnectionError("the file of the account book is another one now")


def _identity(path: str) -> tuple[int, int] | None:
    """What tells one file from another; None for a book that is in memory, or is not there."""
    try:
        found = Path(path).stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
