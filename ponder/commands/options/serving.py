"""Options of `serve` and of `keys`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from ponder.commands.options.shared import Device, Json, Threads, print_json
from ponder.commands.terminal import Terminal
from ponder.names import install
from ponder.types import PonderError

if TYPE_CHECKING:
    from sqlalchemy import Engine

Data = Annotated[Path, typer.Option(help="Folder of the account book.")]
Accounts = Annotated[
    str | None, typer.Option(help="Database of the account book; unless given, SQLite in --data. postgresql://...")
]
Tiers = Annotated[Path | None, typer.Option(help="TOML file of tiers and prices.")]
_DATA = Path("runs/serve")


Model = Annotated[
    str, typer.Argument(help="tiny, a folder, a hub id, a run folder (with its verifier), or http://HOST/v1#NAME.")
]
Host = Annotated[str, typer.Option(help="Address to listen on.")]
Port = Annotated[int, typer.Option(help="Port to listen on.", min=1, max=65535)]
Name = Annotated[str | None, typer.Option(help="What clients call the model.")]
Verifier = Annotated[str | None, typer.Option(help="Folder of a trained verifier, or self-check.")]
Longest = Annotated[int, typer.Option(help="Most tokens of one chain of thought; efforts count in it.", min=41)]
Budget = Annotated[
    int | None, typer.Option(help="Most token-equivalents of one request; 64 longest chains unless given.", min=1)
]
Seconds = Annotated[float, typer.Option(help="Longest that a request may take, its wait included.")]
Searches = Annotated[int, typer.Option(help="Searches at once.", min=1)]
Waiting = Annotated[int, typer.Option(help="Requests that may wait in line.", min=0)]
Grace = Annotated[float, typer.Option(help="Seconds that requests may go on after SIGTERM.")]
Hide = Annotated[bool, typer.Option("--hide-thinking", help="Show nobody anything of the thinking.")]
Open = Annotated[bool, typer.Option("--open", help="Ask nobody for a key.")]
Follow = Annotated[bool, typer.Option("--follow", help="Take the newer weights of a run while it trains.")]
RunsFolder = Annotated[Path | None, typer.Option("--runs", help="Folder of training runs that the page shows.")]


def serve(
    model: Model = "tiny",
    host: Host = "127.0.0.1",
    port: Port = 8000,
    name: Name = None,
    verifier: Verifier = None,
    max_tokens: Longest = 400,
    budget: Budget = None,
    seconds: Seconds = 120.0,
    searches: Searches = 64,
    waiting: Waiting = 256,
    grace: Grace = 20.0,
    hide_thinking: Hide = False,
    data: Data = _DATA,
    accounts: Accounts = None,
    tiers: Tiers = None,
    open_to_all: Open = False,
    follow: Follow = False,
    runs: RunsFolder = None,
    device: Device = "cpu",
    threads: Threads = 0,
) -> None:
    """Serve a model that thinks, to any client of OpenAI's API and to a page in the browser."""
    _check_extra()
    from ponder.api.machine import set_threads
    from ponder.serving import launch
    from ponder.serving.settings import Limits

    set_threads(threads)
    limits = Limits(
        max_tokens=max_tokens,
        budget=budget or 64 * max_tokens,
        seconds=seconds,
        searches=searches,
        waiting=waiting,
        grace=grace,
        show_thinking=not hide_thinking,
    )
    wanted = launch.Wanted(
        model=model,
        host=host,
        port=port,
        verifier=verifier,
        name=name,
        data=data,
        accounts=accounts,
        tiers=tiers,
        open=open_to_all,
        follow=follow,
        runs=runs,
        device=device,
        limits=limits,
    )
    prepared = launch.prepare(wanted)
    console = Terminal(stderr=True, soft_wrap=True)
    who = "for those who have a key" if prepared.keyed else "for everybody who reaches this address"
    console.print(f"{prepared.service.thinker.name} at http://{host}:{port}/v1, {who}.", highlight=False)
    console.print(f"The page: http://{host}:{port}/   Ctrl-C ends.", highlight=False)
    launch.serve(wanted, prepared)


def keys_add(
    name: Annotated[str, typer.Argument(help="Whose key it is.")],
    tier: Annotated[str | None, typer.Option(help="A tier of --tiers; the first one unless given.")] = None,
    data: Data = _DATA,
    accounts: Accounts = None,
    tiers: Tiers = None,
    as_json: Json = False,
) -> None:
    """Make a key. It is shown once; only a hash of it is kept."""
    _check_extra()
    from ponder.serving.accounts import keys, offer

    offered = offer.read(tiers).tiers
    chosen = tier or next(iter(offered), offer.STANDARD)
    if tiers is not None and chosen not in offered:
        raise PonderError(f"--tier {chosen}: {tiers} has {', '.join(offered)}")
    key, text = keys.add(_book(data, accounts), name, chosen)
    if as_json:
        print_json({"id": key.id, "name": key.name, "tier": key.tier, "key": text})
        return
    console = Terminal(soft_wrap=True)
    console.print(text, highlight=False, markup=False)
    Terminal(stderr=True).print(f"The key of {key.name}, tier {key.tier}. It is not shown again.", highlight=False)


def keys_list(data: Data = _DATA, accounts: Accounts = None, as_json: Json = False) -> None:
    """All keys, without their texts."""
    _check_extra()
    from dataclasses import asdict
    from datetime import UTC, datetime

    from ponder.serving.accounts import keys

    found = keys.listed(_book(data, accounts))
    if as_json:
        print_json([asdict(key) for key in found])
        return
    table = Table("id", "name", "tier", "made", "state", "requests", "token-equivalents")
    for key in found:
        made = datetime.fromtimestamp(key.created, UTC).strftime("%Y-%m-%d")
        state = "revoked" if key.revoked is not None else "good"
        table.add_row(key.id, key.name, key.tier, made, state, f"{key.requests:,}", f"{key.spent:,}")
    Terminal().print(table)


def keys_revoke(
    id: Annotated[str, typer.Argument(help="The id of a key, from `ponder keys list`.")],
    data: Data = _DATA,
    accounts: Accounts = None,
) -> None:
    """Let a key be worth nothing from now on, for a running server too."""
    _check_extra()
    from ponder.serving.accounts import keys

    keys.revoke(_book(data, accounts), id)
    Terminal().print(f"{id} is revoked.", highlight=False)


def _book(data: Path, accounts: str | None) -> Engine:
    from ponder.runlog.files import explained
    from ponder.serving.accounts.database import open_database, sqlite_url

    if accounts is None:
        with explained(data):
            data.mkdir(parents=True, exist_ok=True)
    return open_database(accounts or sqlite_url(data))


def _check_extra() -> None:
    try:
        import fastapi  # noqa: F401
        import jsonschema  # noqa: F401
        import prometheus_client  # noqa: F401
        import sqlalchemy  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as missing:
        raise PonderError(f"the server needs {missing.name}, which is not installed; {install('serve')}") from None
