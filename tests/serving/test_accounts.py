"""Keys, tiers, quotas and the book, on SQLite; on PostgreSQL too where PONDER_TEST_POSTGRES names a database to use."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, MetaData, select, text

from ponder.serving.accounts import keys, ledger
from ponder.serving.accounts.book import LEFT_OVER, Book
from ponder.serving.accounts.database import MIGRATIONS, _migrate, open_database, sqlite_url
from ponder.serving.accounts.ledger import Entry, Settled
from ponder.serving.accounts.offer import Offer, read
from ponder.serving.accounts.tables import METADATA, MONTHS, REQUESTS
from ponder.serving.caller import Caller, Price, Tier
from ponder.serving.errors import ApiError
from ponder.types import PonderError
from tests.serving.asgi import Answer, Client
from tests.serving.toys import PacedEngine, says, server

POSTGRES = os.environ.get("PONDER_TEST_POSTGRES")
OFFER = Offer(
    price=Price(prompt=1.0, thinking=2.0),
    tiers={
        "free": Tier(request=80, minute=200, concurrent=1, effort="low", show_thinking=False),
        "paid": Tier(request=5120),
        "monthly": Tier(month=300),
        "slow": Tier(requests=2),
    },
)


def run(coroutine: Any) -> Any:
    return asyncio.run(coroutine)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.skipif(not POSTGRES, reason="no URL"))])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """An empty database."""
    engine = open_database(sqlite_url(tmp_path) if request.param == "sqlite" else str(POSTGRES))
    if request.param == "postgresql":
        with engine.begin() as connection:
            for table in reversed(METADATA.sorted_tables):
                connection.execute(text(f"DROP TABLE IF EXISTS {table.name}"))
            _migrate(connection)
    yield engine
    engine.dispose()


def settled(id: str, spent: int = 50) -> Settled:
    return Settled(id, "k", "answered", "vote", 10, spent, 2, 5.0, spent - 5.0, 0.0, spent, 3, 0.1, 700)


def entry(id: str, reserved: int = 100, tier: Tier | None = None) -> Entry:
    return Entry(id, Caller(id="k", tier=tier or Tier()), "chat", "toy", reserved)


def test_the_migrations_make_the_tables_that_the_code_uses(database: Engine):
    with database.connect() as connection:
        found = MetaData()
        found.reflect(connection)
        for name, table in METADATA.tables.items():
            assert {c.name for c in found.tables[name].columns} == {c.name for c in table.columns}, name
            assert {i.name for i in table.indexes} <= {i.name for i in found.tables[name].indexes}
    open_database(str(database.url.render_as_string(hide_password=False))).dispose()  # a second time: nothing to do


def test_an_old_book_is_brought_up_to_date_with_its_rows(tmp_path: Path):
    file = tmp_path / "accounts.db"
    with sqlite3.connect(file) as old:
        old.execute("CREATE TABLE schema_version (version INTEGER PRIMARY KEY)")
        for statement in MIGRATIONS[0]:
            old.execute(statement)
        old.execute("INSERT INTO schema_version VALUES (1)")
        old.execute("INSERT INTO keys VALUES ('abc', 'old', 'x', 'free', 1.0, NULL)")
    old.close()
    engine = open_database(sqlite_url(tmp_path))
    assert [key.name for key in keys.listed(engine)] == ["old"]
    with engine.connect() as connection:
        connection.execute(select(REQUESTS.c.generated))
    engine.dispose()
    with sqlite3.connect(file) as newer:
        newer.execute("INSERT INTO schema_version VALUES (99)")
    newer.close()
    with pytest.raises(PonderError, match="version 99"):
        open_database(sqlite_url(tmp_path))


def test_a_key_is_kept_as_a_hash_and_worth_nothing_once_revoked(database: Engine):
    key, secret = keys.add(database, "alice", "paid")
    with database.connect() as connection:
        assert keys.check(connection, secret) == key
        for wrong in (secret[:-1], secret + "x", secret.replace("pk-", "sk-"), "", f"pk-{key.id}-" + "A" * 43):
            assert keys.check(connection, wrong) is None
        kept = connection.execute(text("SELECT * FROM keys")).one()
    assert not any(secret[16:] in str(value) for value in kept)
    keys.revoke(database, key.id)
    with database.connect() as connection:
        assert keys.check(connection, secret) is None
    with pytest.raises(PonderError, match="no key"):
        keys.revoke(database, key.id)


def test_what_was_accepted_is_accounted_once(database: Engine):
    with database.begin() as connection:
        ledger.accept(connection, entry("r1"), "s", time.time())
        assert ledger.used(connection, "k", time.time())["month"] == 100
        assert ledger.settle(connection, settled("r1"))
        assert not ledger.settle(connection, settled("r1"))
        used = ledger.used(connection, "k", time.time())
        months = connection.execute(select(MONTHS)).all()
    assert used["month"] == used["minute"] == 50 and used["month_requests"] == 1 and len(months) == 1


def test_what_a_dead_server_left_is_lost_and_charged_nothing(database: Engine):
    now = time.time()
    with database.begin() as connection:
        ledger.beat(connection, "dead", now - 100)
        ledger.accept(connection, entry("r1"), "dead", now - 100)
        ledger.beat(connection, "alive", now)
        ledger.accept(connection, entry("r2"), "alive", now)
    with database.begin() as connection:
        assert ledger.beat(connection, "alive", now) == 0  # the first sign of life found it
        rows = connection.execute(select(REQUESTS.c.id, REQUESTS.c.state))
        states = {row.id: row.state for row in rows}
        assert states == {"r1": "lost", "r2": "accepted"}
        assert ledger.used(connection, "k", now)["month"] == 100
        assert ledger.settle(connection, settled("r1"))  # it was alive after all


@pytest.mark.parametrize(
    ("tier", "code"),
    [
        (Tier(month=150), "insufficient_quota"),
        (Tier(minute=150), "rate_limit_exceeded"),
        (Tier(requests=1), "rate_limit_exceeded"),
    ],
)
def test_quotas_count_what_runs_at_its_most(database: Engine, tier: Tier, code: str):
    with database.begin() as connection:
        ledger.accept(connection, entry("r1", tier=tier), "s", time.time())
        with pytest.raises(ApiError) as refused:
            ledger.accept(connection, entry("r2", tier=tier), "s", time.time())
    assert refused.value.status == 429 and refused.value.code == code
    retry = refused.value.headers.get("retry-after"), refused.value.headers.get("x-should-retry")
    assert retry == ((None, "false") if code == "insufficient_quota" else ("30", None))


async def _two_tiers(folder: Path) -> list[Answer]:
    engine = open_database(sqlite_url(folder))
    free, paid = (Client(None, keys.add(engine, name, name)[1]) for name in ("free", "paid"))
    engine.dispose()
    async with server(folder=folder, offer=OFFER, keys=True) as (client, _):
        free.app = paid.app = client.app
        return [
            await client.chat(),
            await Client(client.app, "pk-000000000000-" + "A" * 43).chat(),
            await free.chat(),
            await paid.chat(reasoning_effort="max"),
            await free.chat(reasoning_effort="high"),
            await free.chat(thinking_token_budget=1000),
            await free.chat(include_reasoning=True),
            await free.get("/v1/account"),
            await free.chat(),
            await paid.get("/v1/account/requests"),
            await client.ask("GET", "/v1/models", None, headers={"authorization": "Basic abc"}),
        ]


def test_tiers_give_different_thinking_on_one_model(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    nobody, wrong, free, paid, most, above, shown, account, again, history, scheme = run(_two_tiers(tmp_path))
    assert [nobody.status, wrong.status, scheme.status] == [401] * 3
    assert nobody.headers["www-authenticate"] == "Bearer"
    budgets = [answer.data["ponder"]["budget"] for answer in (free, paid, most)]
    assert budgets == [80, 5120, 80] and most.data["ponder"]["limited_by"]
    assert above.error["param"] == "thinking_token_budget" and shown.error["code"] == "thinking_hidden"
    used = [answer.data["usage"]["completion_tokens"] for answer in (free, most)]
    assert account.data["used"]["minute"] == sum(used) and account.data["tier"]["name"] == "free"
    assert again.status in (200, 429)
    assert [row["completion"] for row in history.data["data"]] == [paid.data["usage"]["completion_tokens"]]
    bill = paid.data["usage"]["ponder"]
    assert bill["price"] == pytest.approx((bill["prompt"] * 1.0 + bill["spent"] * 2.0) / 1e6)
    assert "pk-" not in caplog.text


def test_a_database_that_goes_away_loses_no_account(tmp_path: Path):
    """Settlements wait for it; new requests are refused; what is left at the end is read at the next start."""
    away = tmp_path / "away"

    async def asked() -> tuple[Answer, Answer, Answer]:
        engine = PacedEngine(says, seconds=0.4)
        async with server(engine=engine, folder=tmp_path) as (client, service):
            assert service.book is not None
            running = asyncio.create_task(client.chat(ponder={"strategy": "sample"}))
            while not engine.active:
                await asyncio.sleep(0.005)
            away.mkdir()
            for file in tmp_path.glob("accounts.db*"):
                shutil.move(file, away / file.name)
            (tmp_path / "accounts.db").mkdir()  # nothing can be opened there
            answered, refused = await running, await client.chat()
            assert service.book.unsettled == 1 and service.book.failing
            health = await client.get("/health")
            return answered, refused, health

    answered, refused, health = run(asked())
    assert answered.status == 200 and health.status == 200
    assert refused.status == 503 and refused.error["code"] == "accounts_unavailable"
    assert (tmp_path / LEFT_OVER).exists()
    (tmp_path / "accounts.db").rmdir()
    for file in away.iterdir():
        shutil.move(file, tmp_path / file.name)
    database = open_database(sqlite_url(tmp_path))
    book = Book(database, Offer(), tmp_path)
    book.start()
    book.close()
    with open_database(sqlite_url(tmp_path)).connect() as connection:
        rows = connection.execute(select(REQUESTS.c.state, REQUESTS.c.completion)).all()
    assert [tuple(row) for row in rows] == [("settled", answered.data["usage"]["completion_tokens"])]
    assert not (tmp_path / LEFT_OVER).exists()


def test_a_file_of_tiers_that_is_wrong_is_named(tmp_path: Path):
    file = tmp_path / "tiers.toml"
    file.write_text("[tiers.free]\nrequest = 0\n")
    with pytest.raises(PonderError, match=r"tiers\.free\.request"):
        read(file)
    file.write_text('[tiers.free]\neffort = "huge"\n')
    with pytest.raises(PonderError, match="huge"):
        read(file)
