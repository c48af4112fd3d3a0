"""What every request goes through: an id, headers that keep a browser safe, errors in one form, the right host."""

from __future__ import annotations

import json
import logging
import re
import secrets
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ponder.serving.errors import ApiError, as_api_error

_log = logging.getLogger(__name__)
_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# Of whole pages that were made here, with styles inside of them: nothing in them may run or be fetched.
PAGE_CSP = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'; base-uri 'none'"
_SAFE = {
    "content-security-policy": _CSP,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}
LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Guard:
    """Wraps the application. `hosts`: names under which it may be asked (empty: any).

    A server on this machine alone is asked under its own names only: a page of another site whose name was made to
    point here would otherwise speak with it.
    """

    def __init__(self, app: ASGIApp, refused: Any = None, hosts: tuple[str, ...] = ()) -> None:
        self._app, self._refused, self._hosts = app, refused, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        id = given if _ID.fullmatch(given) else f"req-{secrets.token_hex(12)}"
        scope.setdefault("state", {})["request_id"] = id
        started = False

        async def sent(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                out = MutableHeaders(scope=message)
                out["x-request-id"] = id
                for name, value in _SAFE.items():
                    out.setdefault(name, value)
            await send(message)

        try:
            if self._hosts and _host(headers.get("host", "")) not in self._hosts:
                raise ApiError(421, "this server is not asked under that name", code="wrong_host")
            await self._app(scope, receive, sent)
        except Exception as error:
            told = as_api_error(error)
            if told.code == "internal_error":
                _log.exception("request %s failed", id)
            if self._refused is not None:
                self._refused(told)
            if not started:
                await answer(told, sent)


async def answer(error: ApiError, send: Send) -> None:
    """Send an error object."""
    body = json.dumps(error.as_data()).encode()
    headers = {"content-type": "application/json", "content-length": str(len(body)), **error.headers}
    if error.status == 401:
        headers["www-authenticate"] = "Bearer"
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": error.status, "headers": raw})
    await send({"type": "http.response.body", "body": body})


def _host(value: str) -> str:
    """The name in a Host header, without its port."""
    name = value.rpartition(":")[0] if re.search(r":\d*$", value) else value
    return name.strip("[]").lower()
