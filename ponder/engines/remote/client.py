"""One endpoint over HTTP: bounded concurrency, deadlines on every wait, and retries only where nothing was received.

What is asked again: a connection that was never made, one that broke before the first byte of an answer, and the
statuses 429 and 5xx, which say that there is no answer. Waits double from try to try, with jitter, and are at least as
long as the server's Retry-After. What is not: a broken or stalled answer, a first byte that is late (the server may
still be at work on it, and a second request would only add to its load), and every other status.

The connection is closed when the call is cancelled or gives up, which is how servers learn that nobody listens.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any

from ponder.engines.remote.events import Body
from ponder.engines.remote.quoting import Quoting
from ponder.engines.remote.reply import Reading, Said
from ponder.names import install
from ponder.types import EngineError, PonderError

try:
    import httpx2
except ImportError as missing:
    raise PonderError(f"remote models need httpx2, which is not installed; {install('remote')}") from missing

_FIRST_WAIT, _LONGEST_WAIT = 0.5, 30.0
_ERROR_BYTES = 4096
_SHOWN = 200


@dataclass(frozen=True)
class Deadlines:
    """Seconds. `whole` covers one call with all its tries; waiting for a free place in the queue is not part of it."""

    connect: float = 10.0
    first_byte: float = 180.0
    stall: float = 60.0
    whole: float = 900.0


@dataclass
class _Session:
    """The connections of one event loop; closed when nobody uses them."""

    loop: asyncio.AbstractEventLoop
    http: httpx2.AsyncClient
    places: asyncio.Semaphore
    users: int = 0


class _AgainError(Exception):
    """Nothing was received; the request may be sent again, after `wait` seconds at least."""

    def __init__(self, why: str, wait: float = 0.0) -> None:
        super().__init__(why)
        self.wait = wait


@dataclass
class Client:
    """Posts to `url` with at most `concurrency` requests at once and at most `tries` each. `key` is never shown.

    Whatever a message quotes from the server goes through `quoting`, and so does the text of an answer.
    """

    url: str
    key: str | None = field(default=None, repr=False)
    deadlines: Deadlines = field(default_factory=Deadlines)
    concurrency: int = 32
    tries: int = 5
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    sent: int = 0  # requests, those that were sent again included
    _session: _Session | None = field(default=None, init=False, repr=False)

    @property
    def quoting(self) -> Quoting:
        """How what the server says is shown: without the key."""
        return Quoting(self.key)

    async def post(self, body: Mapping[str, Any], seed: int) -> Said:
        """The answer to `body`, which names its `max_tokens`. `seed` draws the jitter of the waits."""
        jitter = random.Random(seed)
        async with self._connections() as session, session.places:
            try:
                async with asyncio.timeout(self.deadlines.whole):
                    return await self._until_answered(session.http, body, jitter)
            except TimeoutError:
                raise self._error(f"did not answer within {self.deadlines.whole:g} s") from None

    async def _until_answered(self, http: httpx2.AsyncClient, body: Mapping[str, Any], jitter: random.Random) -> Said:
        end = time.monotonic() + self.deadlines.whole
        for tried in range(1, self.tries + 1):
            try:
                return await self._once(http, body)
            except _AgainError as again:
                backoff = min(_LONGEST_WAIT, _FIRST_WAIT * 2 ** (tried - 1)) * jitter.uniform(0.5, 1.0)
                wait = max(backoff, again.wait)
                if tried == self.tries:
                    raise self._error(f"gave no answer in {tried} tries: {again}") from None
                if wait > end - time.monotonic():
                    raise self._error(f"{again}; asks for a wait of {wait:.0f} s, which is too long") from None
            await self.sleep(wait)
        raise self._error("was not asked, since no try is allowed")

    async def _once(self, http: httpx2.AsyncClient, body: Mapping[str, Any]) -> Said:
        answer: Body | None = None
        reading = Reading(body["max_tokens"], tuple(body.get("stop", ())), self.quoting)
        self.sent += 1
        try:
            async with (
                asyncio.timeout(self.deadlines.first_byte) as patience,
                http.stream("POST", self.url, json=body) as response,
            ):
                if response.status_code != 200:
                    raise await self._refusal(response)
                streams = "event-stream" in response.headers.get("content-type", "")
                answer = Body(streams, reading.take, body["max_tokens"], self.quoting)
                async with aclosing(response.aiter_bytes()) as pieces:
                    async for piece in pieces:
                        answer.feed(piece)
                        if answer.done:
                            return reading.said(answer.ended)
                        patience.reschedule(asyncio.get_running_loop().time() + self.deadlines.stall)
                answer.close()
                return reading.said(answer.ended)
        except TimeoutError:
            raise self._error(self._late(answer)) from None
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
            why = self.quoting.shown(str(error) or type(error).__name__, _SHOWN)
            raise _AgainError(f"cannot be reached ({why})") from None
        except httpx2.HTTPError as error:
            if answer is None or not answer.received:
                raise _AgainError(f"the connection broke before an answer ({type(error).__name__})") from None
            raise self._error(
                f"broke off in the middle of an answer, after {answer.received} bytes ({type(error).__name__}); "
                "it is not asked for again, since the server may count it twice"
            ) from None

    def _late(self, answer: Body | None) -> str:
        if answer is None or not answer.received:
            return f"sent no first byte within {self.deadlines.first_byte:g} s"
        return f"stalled: nothing for {self.deadlines.stall:g} s, after {answer.received} bytes"

    async def _refusal(self, response: httpx2.Response) -> Exception:
        """What a status other than 200 means."""
        status = response.status_code
        why = f"answered {status}{await self._reason(response)}"
        if status == 429 or status >= 500:
            return _AgainError(why, _retry_after(response.headers.get("retry-after", "")))
        if status in (401, 403):
            hint = "refused the key in PONDER_API_KEY" if self.key else "wants a key; set PONDER_API_KEY"
            return self._error(f"{hint} ({why})")
        if status == 404:
            return self._error(f"{why}; check the address and the name of the model")
        return self._error(why)

    async def _reason(self, response: httpx2.Response) -> str:
        """The server's own message, as it may be shown."""
        data = b""
        async with aclosing(response.aiter_bytes()) as pieces:
            async for piece in pieces:
                data += piece
                if len(data) > _ERROR_BYTES:
                    break
        text = data[:_ERROR_BYTES].decode("utf-8", "replace")
        try:
            said = json.loads(text)["error"]
            text = str(said["message"] if isinstance(said, dict) else said)
        except (ValueError, KeyError, TypeError, RecursionError):
            pass
        text = self.quoting.shown(text, _SHOWN)
        return f": {text}" if text else ""

    def _error(self, what: str) -> EngineError:
        return EngineError(f"{self.url} {what}")

    @asynccontextmanager
    async def _connections(self) -> AsyncIterator[_Session]:
        """The running loop's session. A later loop gets another one: connections cannot change their loop."""
        loop = asyncio.get_running_loop()
        if self._session is None or self._session.loop is not loop:
            self._session = _Session(loop, self._http(), asyncio.Semaphore(self.concurrency))
        session = self._session
        session.users += 1
        try:
            yield session
        finally:
            session.users -= 1
            if not session.users:
                self._session = None if self._session is session else self._session
                await session.http.aclose()

    def _http(self) -> httpx2.AsyncClient:
        # Every other wait has a deadline of ours; a pool without limit, because `places` is the limit.
        timeout = httpx2.Timeout(None, connect=self.deadlines.connect)
        headers = {"accept-encoding": "identity"} | ({"authorization": f"Bearer {self.key}"} if self.key else {})
        return httpx2.AsyncClient(timeout=timeout, limits=httpx2.Limits(max_connections=None), headers=headers)


def _retry_after(value: str) -> float:
    """Seconds of a Retry-After header: a number, or a date; 0 if it is neither."""
    try:
        return max(0.0, min(float(value), 1e9))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (TypeError, ValueError):
        return 0.0
