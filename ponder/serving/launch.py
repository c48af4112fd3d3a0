"""From the words of the command line to a server that runs until it is told to end.

SIGTERM (and Ctrl-C): no new requests are taken, those in line are told so, running ones may end by themselves; shortly
before the grace is over all that still think are ended with the best they have, and answered. Exit code 0.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import uvicorn

from ponder.api.policies import load_policy, load_source, source_of
from ponder.api.verifiers.loading import load_verifier, verifier_name
from ponder.runlog.files import explained
from ponder.serving.accounts import keys
from ponder.serving.accounts.book import Book
from ponder.serving.accounts.database import open_database, sqlite_url
from ponder.serving.accounts.offer import read as read_offer
from ponder.serving.follow import Follower, parts_of
from ponder.serving.http.app import build
from ponder.serving.http.connections import bounded
from ponder.serving.http.guard import LOOPBACK, Guard
from ponder.serving.service import Service
from ponder.serving.settings import Limits
from ponder.serving.thinking.thinker import Thinker
from ponder.types import PonderError

_log = logging.getLogger(__name__)
_LAST = 0.75  # the share of the grace after which what still thinks is ended


@dataclass(frozen=True)
class Wanted:
    """What `ponder serve` was asked for. `data` holds the account book and what belongs to it.

    `runs` is a folder of training runs for the page.
    """

    model: str = "tiny"
    host: str = "127.0.0.1"
    port: int = 8000
    verifier: str | None = None
    name: str | None = None
    data: Path = Path("runs/serve")
    accounts: str | None = None
    tiers: Path | None = None
    open: bool = False
    follow: bool = False
    runs: Path | None = None
    device: str = "cpu"
    limits: Limits = field(default_factory=Limits)


@dataclass
class State:
    """Whether the server takes requests."""

    draining: bool = False


@dataclass(frozen=True)
class Prepared:
    """A server before its first request."""

    service: Service
    app: Guard
    keyed: bool
    follower: Follower | None
    state: State


def prepare(wanted: Wanted) -> Prepared:
    """Load the model and the verifier, open the account book. PonderError for what does not go together."""
    offer = read_offer(wanted.tiers)
    if wanted.runs is not None and not wanted.runs.is_dir():
        raise PonderError(f"--runs {wanted.runs}: this is no folder; name the one that holds the run folders")
    parts = parts_of(wanted.model)
    with explained(wanted.data):
        wanted.data.mkdir(parents=True, exist_ok=True)
    database = open_database(wanted.accounts or sqlite_url(wanted.data))
    keyed = keys.any_key(database) and not wanted.open
    if not keyed and wanted.host not in LOOPBACK and not wanted.open:
        raise PonderError(
            f"--host {wanted.host}: others can reach this address, and there is no key yet; make one with `ponder keys "
            "add NAME`, or give --open to let everybody ask"
        )
    # An engine whose weights are replaced needs a copy of its own.
    followed = wanted.follow and parts.checkpoints is not None
    named = parts.model
    source = (
        source_of(load_policy(named, device=wanted.device)) if followed else load_source(named, device=wanted.device)
    )
    verifier = wanted.verifier or parts.verifier
    judge = None if verifier is None else load_verifier(verifier, source)
    judged_by = None if judge is None else Path(verifier_name(verifier) or "").name
    thinker = Thinker(source, judge, wanted.name or parts.name, verifier=judged_by)
    service = Service(thinker, wanted.limits, book=Book(database, offer, wanted.data), price=offer.price)
    state = State()
    hosts = (*LOOPBACK, wanted.host) if wanted.host in LOOPBACK and not keyed else ()
    app = build(service, keys=keyed, hosts=hosts, ready=lambda: not state.draining, runs=wanted.runs)
    follower = Follower(thinker, parts.checkpoints) if wanted.follow and parts.checkpoints is not None else None
    if wanted.follow and follower is None:
        raise PonderError(f"--follow: {wanted.model} is not the folder of a run with checkpoints")
    return Prepared(service, app, keyed, follower, state)


def serve(wanted: Wanted, prepared: Prepared) -> None:
    """Serve until a signal."""
    service, limits = prepared.service, wanted.limits
    assert service.book is not None  # prepare made it
    service.book.start()
    service.thinker.start()
    # What is loaded by now stays: a full collection that looked through it held all threads up for a third of a second.
    gc.collect()
    gc.freeze()
    config = uvicorn.Config(
        prepared.app,
        host=wanted.host,
        port=wanted.port,
        http=bounded(limits),
        ws="none",
        lifespan="off",
        access_log=False,
        server_header=False,
        log_level="warning",
        h11_max_incomplete_event_size=limits.header_bytes,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=int(limits.grace) + 2,
    )
    server = _Server(config, prepared, limits.grace)
    try:
        asyncio.run(server.serve())
    finally:
        service.thinker.close()
        service.book.close()


class _Server(uvicorn.Server):
    """Ends as the head of this file says, and tells the process's exit code nothing of the signal."""

    def __init__(self, config: uvicorn.Config, prepared: Prepared, grace: float) -> None:
        super().__init__(config)
        self._prepared, self._grace = prepared, grace
        self._following: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Also begin to follow the run, where that is asked for."""
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)
        if self._prepared.follower is not None:
            self._following = asyncio.create_task(self._prepared.follower.follow())

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        before = {each: signal.signal(each, self.handle_exit) for each in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal ends gently, the second one at once."""
        if self.should_exit:
            self.force_exit = True
            self._prepared.service.thinker.hurry()
            return
        self.should_exit = True
        self._prepared.state.draining = True
        self._loop.call_soon_threadsafe(self._drain)

    def _drain(self) -> None:
        service = self._prepared.service
        _log.warning("ending: %d requests run, %d wait", service.gate.running, service.gate.waiting)
        service.gate.close()
        if self._following is not None:
            self._following.cancel()
        self._loop.call_later(_LAST * self._grace, service.thinker.hurry)
